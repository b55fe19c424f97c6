// Obeys the commands on standard input with a genuine Nacos client, and tells what it sees as JSON lines.
'use strict';

const readline = require('readline');
const { NacosNamingClient } = require('nacos');

const tell = line => process.stdout.write(JSON.stringify(line) + '\n');

// Whatever the library logs must not mix with the answers.
const logger = {
  debug() {},
  info() {},
  warn: console.error,
  error: console.error,
};

function show(event, service, group, instances) {
  tell({
    event,
    service,
    group,
    at_ms: Date.now(),
    instances: instances.map(it => ({
      ip: it.ip,
      port: it.port,
      weight: it.weight,
      healthy: it.healthy,
      enabled: it.enabled,
      ephemeral: it.ephemeral,
      cluster: it.clusterName,
      metadata: it.metadata,
    })),
  });
}

function instance(ip, port, weight, pairs) {
  const metadata = {};
  for (const pair of pairs ? pairs.split(',') : []) {
    const [ key, ...value ] = pair.split('=');
    metadata[key] = value.join('=');
  }
  const clusterName = metadata['@cluster'];
  const ephemeral = metadata['@ephemeral'] !== 'false';
  delete metadata['@cluster'];
  delete metadata['@ephemeral'];
  return { ip, port: Number(port), weight: Number(weight), clusterName, ephemeral, metadata };
}

const listeners = new Map();

async function obey(naming, [ command, service, group, ...words ]) {
  switch (command) {
    case 'register':
      return naming.registerInstance(service, instance(...words), group);
    case 'deregister':
      return naming.deregisterInstance(service, { ip: words[0], port: Number(words[1]), clusterName: words[2] }, group);
    case 'subscribe': {
      const listener = instances => show('instances', service, group, instances);
      listeners.set(`${service} ${group}`, listener);
      return naming.subscribe({ serviceName: service, groupName: group }, listener);
    }
    case 'unsubscribe':
      return naming.unSubscribe({ serviceName: service, groupName: group }, listeners.get(`${service} ${group}`));
    case 'list':
      return show('list', service, group, await naming.getAllInstances(service, group, '', false));
    default:
      throw new Error(`unknown command ${command}`);
  }
}

async function main(address, namespace) {
  const naming = new NacosNamingClient({
    logger,
    serverList: address,
    namespace,
    username: process.env.NACOS_USERNAME,
    password: process.env.NACOS_PASSWORD,
  });
  await naming.ready();
  tell({ event: 'ready' });
  for await (const command of readline.createInterface({ input: process.stdin })) {
    if (command === 'quit') break;
    try {
      await obey(naming, command.split(' '));
      tell({ event: 'done', command });
    } catch (error) {
      tell({ event: 'failed', command, error: String(error) });
    }
  }
  await naming.close();
  process.exit(0);
}

main(process.argv[2], process.argv[3]);
