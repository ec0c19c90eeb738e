use std::pin::pin;

use tokio::io::AsyncWriteExt;

use super::*;

fn reader(bytes: &[u8]) -> FrameReader<&[u8]> {
    reader_within(bytes, &Arc::new(RequestMemory::new(128 << 20)))
}

fn reader_within<R: AsyncRead + Unpin>(socket: R, memory: &Arc<RequestMemory>) -> FrameReader<R> {
    FrameReader::new(socket, 64 << 20, Duration::from_secs(60), Arc::clone(memory))
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes(), body].concat()
}

#[tokio::test]
async fn frames_of_every_size_come_back_whole_and_in_order() {
    let bodies: Vec<Vec<u8>> = [8, 9, 20_000, 3 << 20, 8, (1 << 20) + 1]
        .iter()
        .map(|&size: &usize| {
            let mut body = vec![7; size];
            body[..2].copy_from_slice(&[0, 0]);
            body
        })
        .collect();
    let bytes: Vec<u8> = bodies.iter().flat_map(|body| framed(body)).collect();
    let mut reader = reader(&bytes);
    for body in &bodies {
        assert_eq!(reader.next().await.unwrap().unwrap().bytes, body);
    }
    assert!(reader.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_claim_of_two_gigabytes_or_less_than_nothing_is_refused_at_once() {
    for claim in [i32::MAX, i32::MIN, -1, 0, 7, (64 << 20) + 1] {
        let bytes = claim.to_be_bytes();
        let error = reader(&bytes).next().await.unwrap_err();
        assert!(
            matches!(error, FrameError::Length { .. } | FrameError::TooLarge { .. }),
            "{claim}: {error}"
        );
    }
}

#[tokio::test]
async fn a_truncated_frame_is_told_at_every_byte() {
    let whole = framed(&[0; 40]);
    for cut in 1..whole.len() {
        let error = reader(&whole[..cut]).next().await.unwrap_err();
        assert!(matches!(error, FrameError::Truncated), "{cut}: {error}");
    }
}

#[tokio::test]
async fn a_large_claim_allocates_only_what_came() {
    let mut bytes = (60_u32 << 20).to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0; 1000]);
    let mut reader = reader(&bytes);
    assert!(matches!(reader.next().await, Err(FrameError::Truncated)));
    assert!(reader.buffer.capacity() <= 8 * limits::FRAME_CLAIM_BYTES_MAX);
    assert_eq!(reader.memory.used_and_all_bytes(), (0, 128 << 20));
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffer_whatever_it_sent() {
    let mut body = vec![7; 2 << 20];
    body[..2].copy_from_slice(&[0, 0]);
    let bytes = framed(&body);
    let mut reader = reader(&bytes);
    let frame = reader.next().await.unwrap().unwrap();
    drop(frame);
    assert_eq!(reader.buffer.capacity(), 0);
}

#[tokio::test]
async fn a_frame_that_is_whole_was_not_too_slow() {
    let bytes = framed(&[0; 2 * limits::READ_AHEAD_BYTES]);
    let memory = Arc::new(RequestMemory::new(128 << 20));
    // Whatever is not whole at once is too slow.
    let reader = |bytes| FrameReader::new(bytes, 64 << 20, Duration::ZERO, Arc::clone(&memory));
    let frame = reader(&bytes[..]).next().await.unwrap().unwrap();
    assert_eq!(frame.bytes.len(), 2 * limits::READ_AHEAD_BYTES);
    let error = reader(&bytes[..bytes.len() - 1]).next().await.unwrap_err();
    assert!(matches!(error, FrameError::Slow { .. }), "{error}");
}

#[tokio::test]
async fn no_more_than_a_claim_of_a_frame_comes_before_its_turn_unless_it_is_a_produce() {
    for (key, length, waits) in
        [(1, 100, false), (1, 3000, true), (1, 100_000, true), (0, 100_000, false)]
    {
        let mut body = vec![0; length];
        body[1] = key;
        let bytes = framed(&body);
        let mut reader = reader(&bytes);
        let (gives, turn) = tokio::sync::oneshot::channel();
        let memory = Arc::clone(&reader.memory);
        let mut frame = pin!(reader.next_after(async { turn.await.unwrap() }));
        let before = tokio::select! {
            biased;
            frame = &mut frame => Some(frame),
            () = tokio::task::yield_now() => None,
        };
        assert_eq!(before.is_none(), waits, "{length} of key {key}");
        if before.is_none() {
            assert_eq!(memory.used_and_all_bytes().0, limits::FRAME_CLAIM_BYTES_MAX);
            gives.send(()).unwrap();
        }
        let frame = match before {
            Some(frame) => frame,
            None => frame.await,
        };
        assert_eq!(frame.unwrap().unwrap().bytes, body);
    }
}

/// A produce request of this length, cut in the middle.
fn halves(length: usize) -> [Vec<u8>; 2] {
    let mut whole = framed(&vec![0; length]);
    let rest = whole.split_off(whole.len() / 2 + 1);
    [whole, rest]
}

/// Of more than the memory holds together, each half there.
#[tokio::test]
async fn large_frames_that_have_come_by_half_do_not_wait_for_each_other_for_good() {
    const LENGTH: usize = 4 << 20;
    let memory = Arc::new(RequestMemory::new(2 * LENGTH));
    let mut reading = tokio::task::JoinSet::new();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (mut client, server) = tokio::io::duplex(LENGTH);
        let [half, rest] = halves(LENGTH);
        client.write_all(&half).await.unwrap();
        let mut reader = reader_within(server, &memory);
        reading.spawn(async move { reader.next().await.map(|frame| frame.unwrap().bytes) });
        clients.push((client, rest));
    }
    // Whoever can has taken all that came.
    tokio::task::yield_now().await;
    let sending = clients.into_iter().map(|(mut client, rest)| async move {
        client.write_all(&rest).await.unwrap();
        client
    });
    let mut sending: tokio::task::JoinSet<_> = sending.collect();
    let all = async {
        while let Some(frame) = reading.join_next().await {
            assert_eq!(frame.unwrap().unwrap().len(), LENGTH);
        }
    };
    timeout(limits::REQUEST_MEMORY_WAIT, all).await.expect("each gets its turn");
    while let Some(sent) = sending.join_next().await {
        sent.unwrap();
    }
}

#[tokio::test]
async fn those_who_stop_in_a_frame_give_way_to_those_who_wait_for_its_memory() {
    const LENGTH: usize = 4 << 20;
    let memory = Arc::new(RequestMemory::new(2 * LENGTH));
    let mut clients = Vec::new();
    let mut stalled = tokio::task::JoinSet::new();
    // One takes all of the memory, one goes beyond.
    for _ in 0..2 {
        let (mut client, server) = tokio::io::duplex(LENGTH);
        client.write_all(&halves(LENGTH)[0]).await.unwrap();
        client.write_all(&[0; 100]).await.unwrap();
        clients.push(client);
        let mut reader = reader_within(server, &memory);
        stalled.spawn(async move { reader.next().await.map(drop) });
    }
    tokio::task::yield_now().await;
    // Requests of other sizes find memory of their own.
    for length in [100, 100_000] {
        let bytes = framed(&vec![0; length]);
        let frame = reader_within(&bytes[..], &memory).next().await.unwrap().unwrap();
        assert_eq!(frame.bytes.len(), length);
    }
    assert!(stalled.try_join_next().is_none());
    let bytes = framed(&vec![0; LENGTH]);
    let frame = reader_within(&bytes[..], &memory).next().await.unwrap().unwrap();
    assert_eq!(frame.bytes.len(), LENGTH);
    let gave_way = stalled.join_next().await.unwrap().unwrap();
    assert!(matches!(gave_way, Err(FrameError::Stalled { .. })), "{gave_way:?}");
}

#[tokio::test]
async fn those_who_sent_just_what_they_hold_wait_for_bytes_and_not_for_memory() {
    const LENGTH: usize = 4 << 20;
    let memory = Arc::new(RequestMemory::new(2 * LENGTH));
    let mut silent = Vec::new();
    let mut reading = tokio::task::JoinSet::new();
    // As much as shares grow to, so that together they hold all that there is.
    for _ in 0..3 {
        let (mut client, server) = tokio::io::duplex(LENGTH);
        client.write_all(&framed(&vec![0; LENGTH])[..4 + (1 << 20)]).await.unwrap();
        silent.push(client);
        let mut reader = reader_within(server, &memory);
        reading.spawn(async move { reader.next().await.map(drop) });
    }
    while memory.used_and_all_bytes().0 < LENGTH {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        assert!(!memory.is_wanted());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_slow_client_goes_on_where_one_that_sends_nothing_can_give_way() {
    const LENGTH: usize = 4 << 20;
    let memory = Arc::new(RequestMemory::new(2 * LENGTH));
    let [half, rest] = halves(LENGTH);
    let begin = async || {
        let (mut client, server) = tokio::io::duplex(LENGTH);
        client.write_all(&half).await.unwrap();
        client.write_all(&rest[..100]).await.unwrap();
        let mut reader = reader_within(server, &memory);
        (client, tokio::spawn(async move { reader.next().await.map(drop) }))
    };
    // One takes all of the memory, and is slow: four tenths of what is asked for at most.
    let (mut slow, slow_read) = begin().await;
    let slow_rest = rest.clone();
    let slow_sends = tokio::spawn(async move {
        for part in slow_rest[100..].chunks(50 << 10) {
            slow.write_all(part).await.unwrap();
            tokio::time::sleep(Duration::from_millis(125)).await;
        }
        slow
    });
    // One goes beyond a while later and sends nothing more; a third waits.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_silent, silent_read) = begin().await;
    tokio::task::yield_now().await;
    let bytes = framed(&vec![0; LENGTH]);
    let mut waits = reader_within(std::io::Cursor::new(bytes), &memory);
    let mut waits = tokio::spawn(async move { waits.next().await.map(drop) });
    slow_read.await.unwrap().expect("it is slow, and not the slowest");
    slow_sends.await.unwrap();
    assert!(matches!(silent_read.await.unwrap(), Err(FrameError::Stalled { .. })));
    timeout(limits::REQUEST_MEMORY_WAIT, &mut waits).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn only_produce_may_be_larger_than_the_control_limit() {
    let claim = (limits::CONTROL_FRAME_BYTES_MAX + 1) as u32;
    let mut bytes = claim.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0, 3, 0, 1, 0, 0]);
    assert!(matches!(reader(&bytes).next().await, Err(FrameError::TooLarge { .. })));
    bytes[5] = 0;
    assert!(matches!(reader(&bytes).next().await, Err(FrameError::Truncated)));
}
