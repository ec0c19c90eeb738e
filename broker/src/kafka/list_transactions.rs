//! ListTransactions (66).

use std::sync::Arc;

use kafka_protocol::{
    messages::{
        ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
        list_transactions_response::TransactionState as Listed,
    },
    protocol::StrBytes,
};

use crate::{
    node::Node,
    txn::{ListFilter, TransactionState},
};

pub(super) async fn handle(
    node: &Arc<Node>,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let (mut states, mut unknown) = (Vec::new(), Vec::new());
    let filters_states = !request.state_filters.is_empty();
    for name in request.state_filters {
        match TransactionState::ALL.into_iter().find(|state| state.name() == name.as_str()) {
            Some(state) => states.push(state),
            None => unknown.push(name),
        }
    }
    let filter = ListFilter {
        states: filters_states.then_some(states),
        producer_ids: request.producer_id_filters.into_iter().map(|id| *id).collect(),
        longer_than_ms: Some(request.duration_filter).filter(|duration| *duration >= 0),
    };
    let listed = node.transactions.list(&filter).into_iter().map(|(id, producer_id, state)| {
        Listed::default()
            .with_transactional_id(TransactionalId(StrBytes::from_string(id)))
            .with_producer_id(ProducerId(producer_id))
            .with_transaction_state(StrBytes::from_static_str(state.name()))
    });
    ListTransactionsResponse::default()
        .with_transaction_states(listed.collect())
        .with_unknown_state_filters(unknown)
}
