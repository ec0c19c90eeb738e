// kafkajs, speaking as Kafka's VerifiableProducer and VerifiableConsumer do.
//
// A client says what it does in JSON lines on standard output; tests/e2e reads
// them. Of Kafka's property names it knows those of `properties` below.
'use strict'

const { parseArgs } = require('node:util')
const { CompressionTypes, Kafka, logLevel } = require('kafkajs')

const { positionals, values: args } = parseArgs({
  allowPositionals: true,
  options: {
    'bootstrap-server': { type: 'string' },
    topic: { type: 'string' },
    'max-messages': { type: 'string', default: '-1' },
    acks: { type: 'string', default: '-1' },
    'value-prefix': { type: 'string' },
    'group-id': { type: 'string' },
    'session-timeout': { type: 'string', default: '6000' },
    verbose: { type: 'boolean' }, // as VerifiableConsumer has it; always on
    property: { type: 'string', multiple: true, default: [] },
  },
})

const properties = new Map(args.property.map((line) => line.split(/=(.*)/s).slice(0, 2)))
const compressions = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }

const emit = (name, fields = {}) => process.stdout.write(`${JSON.stringify({ name, ...fields })}\n`)
const text = (bytes) => (bytes === null || bytes === undefined ? null : bytes.toString('utf8'))

const kafka = new Kafka({
  clientId: 'longshore-conformance',
  brokers: [args['bootstrap-server']],
  logLevel: logLevel.ERROR,
})

async function produce() {
  const producer = kafka.producer({
    idempotent: properties.get('enable.idempotence') !== 'false',
    maxInFlightRequests: 1,
    createPartitioner: roundRobin,
  })
  await producer.connect()
  emit('startup_complete')
  const prefix = args['value-prefix'] === undefined ? '' : `${args['value-prefix']}.`
  const count = Number(args['max-messages'])
  for (let first = 0; first < count; first += 500) {
    const values = Array.from({ length: Math.min(500, count - first) }, (_, i) => `${prefix}${first + i}`)
    const acknowledged = await producer.send({
      topic: args.topic,
      acks: Number(args.acks),
      compression: compressions[properties.get('compression.type') ?? 'none'],
      messages: values.map((value) => ({ value })),
    })
    report(acknowledged, values)
  }
  await producer.disconnect()
  emit('shutdown_complete')
}

// Partitions in turn, so that where each record of a request went is known:
// the answer only says each partition's first offset.
let turn = 0
const placed = []
const roundRobin = () => ({ partitionMetadata }) => {
  const partition = partitionMetadata[turn++ % partitionMetadata.length].partitionId
  placed.push(partition)
  return partition
}

function report(acknowledged, values) {
  const next = new Map()
  for (const { partition, baseOffset } of acknowledged) next.set(partition, BigInt(baseOffset))
  const partitions = placed.splice(0)
  values.forEach((value, i) => {
    const offset = next.get(partitions[i])
    next.set(partitions[i], offset + 1n)
    emit('producer_send_success', {
      key: null, value, topic: args.topic, partition: partitions[i], offset: Number(offset),
    })
  })
}

async function consume() {
  const consumer = kafka.consumer({
    groupId: args['group-id'],
    sessionTimeout: Number(args['session-timeout']),
    heartbeatInterval: 500,
    rebalanceTimeout: 10000,
    maxWaitTimeInMs: 500,
  })
  const most = Number(args['max-messages'])
  let consumed = 0
  let held = []
  let finish
  const finished = new Promise((resolve) => { finish = resolve })
  process.on('SIGTERM', finish)

  const listed = (partitions) => partitions.map((partition) => ({ topic: args.topic, partition }))
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    // Each join gives the whole assignment anew.
    if (held.length > 0) emit('partitions_revoked', { partitions: listed(held) })
    held = payload.memberAssignment[args.topic] ?? []
    emit('partitions_assigned', { partitions: listed(held) })
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    emit('error', { message: String(payload.error) })
    if (!payload.restart) finish()
  })

  await consumer.connect()
  await consumer.subscribe({ topic: args.topic, fromBeginning: true })
  emit('startup_complete')
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, isRunning, isStale }) => {
      let last
      for (const message of batch.messages) {
        if (!isRunning() || isStale() || (most >= 0 && consumed >= most)) break
        emit('record_data', {
          key: text(message.key),
          value: text(message.value),
          topic: batch.topic,
          partition: batch.partition,
          offset: Number(message.offset),
        })
        last = message.offset
        resolveOffset(last)
        consumed += 1
      }
      if (last !== undefined) await commit(consumer, batch.topic, batch.partition, BigInt(last) + 1n)
      if (most >= 0 && consumed >= most) finish()
    },
  })
  await finished
  await consumer.disconnect()
  emit('shutdown_complete')
}

async function commit(consumer, topic, partition, offset) {
  try {
    await consumer.commitOffsets([{ topic, partition, offset: offset.toString() }])
    emit('offsets_committed', { success: true })
  } catch (error) {
    // A rebalance came first: the records go to another member.
    emit('offsets_committed', { success: false, error: String(error) })
    throw error
  }
}

const verbs = { produce, consume }
verbs[positionals[0]]().catch((error) => {
  emit('error', { message: String(error) })
  process.exit(1)
})
