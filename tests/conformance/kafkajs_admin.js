// kafkajs's administration client against a broker; stops at the first surprise.
//
// usage: node kafkajs_admin.js HOST:PORT
'use strict'

const assert = require('node:assert/strict')
const { ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')

const kafka = new Kafka({ clientId: 'longshore-admin', brokers: [process.argv[2]], logLevel: logLevel.NOTHING })
const admin = kafka.admin()

async function main() {
  await admin.connect()

  const created = await admin.createTopics({
    topics: [{ topic: 'admin', numPartitions: 2, configEntries: [{ name: 'retention.ms', value: '1234567' }] }],
  })
  assert.equal(created, true)
  assert.equal(await admin.createTopics({ topics: [{ topic: 'admin' }] }), false, 'a topic is created once')
  await admin.createPartitions({ topicPartitions: [{ topic: 'admin', count: 3 }] })
  const metadata = await admin.fetchTopicMetadata({ topics: ['admin'] })
  assert.equal(metadata.topics[0].partitions.length, 3)
  const configs = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: 'admin', configNames: ['retention.ms'] }],
  })
  assert.equal(configs.resources[0].configEntries[0].configValue, '1234567')

  const producer = kafka.producer()
  await producer.connect()
  for (const timestamp of ['1000', '2000', '3000']) {
    await producer.send({
      topic: 'admin',
      messages: [{ key: 'k', value: timestamp, timestamp, partition: 0, headers: { a: ['1', '2'] } }],
    })
  }
  await producer.disconnect()
  const [first] = (await admin.fetchTopicOffsets('admin')).filter(({ partition }) => partition === 0)
  assert.deepEqual([first.low, first.high], ['0', '3'])
  const [second] = (await admin.fetchTopicOffsetsByTimestamp('admin', 1500)).filter(({ partition }) => partition === 0)
  assert.equal(second.offset, '1')

  await admin.setOffsets({ groupId: 'managed', topic: 'admin', partitions: [{ partition: 0, offset: '2' }] })
  const committed = await admin.fetchOffsets({ groupId: 'managed', topics: ['admin'] })
  const [of0] = committed[0].partitions.filter(({ partition }) => partition === 0)
  assert.equal(of0.offset, '2')
  const { groups } = await admin.listGroups()
  assert.ok(groups.some(({ groupId }) => groupId === 'managed'))
  const described = await admin.describeGroups(['managed'])
  assert.equal(described.groups[0].state, 'Empty')

  await admin.deleteTopicRecords({ topic: 'admin', partitions: [{ partition: 0, offset: '1' }] })
  const [after] = (await admin.fetchTopicOffsets('admin')).filter(({ partition }) => partition === 0)
  assert.equal(after.low, '1')

  const cluster = await admin.describeCluster()
  assert.equal(cluster.brokers.length, 1)
  assert.ok(cluster.clusterId)

  await admin.deleteTopics({ topics: ['admin'] })
  assert.ok(!(await admin.listTopics()).includes('admin'))
  await admin.disconnect()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
