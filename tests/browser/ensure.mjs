// A service in another language: `node ensure.mjs REDIS_URL CTID PROTOCOL` ensures a container by a Celery client from
// npm, without anything of ours, and prints its result.
import celery from 'celery-node';

const [redis, ctid, protocol] = process.argv.slice(2);
const client = celery.createClient(redis, redis, 'phoenix.ensure');
client.conf.TASK_PROTOCOL = Number(protocol);
const result = client.sendTask('phoenix.ensure', [Number(ctid)], {});
console.log(JSON.stringify(await result.get(60000)));
await client.disconnect();
