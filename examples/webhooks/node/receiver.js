// Receives webhooks: keeps each as a file of its own, once, however often it is sent.
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { Refused, check, secretBytes } from './signature.js';

// The body of a webhook has less.
const MAX_BODY = 4 << 20;

const folder = process.env.RECEIVER_FOLDER ?? 'events';
await fs.mkdir(folder, { recursive: true });
// One a line: the old one beside the new one while they change.
const secrets = (await fs.readFile(process.env.RECEIVER_SECRET_FILE ?? 'webhook.secret', 'ascii'))
  .split(/\s+/).filter(Boolean).map(secretBytes);

// Undefined: it is too large.
async function bodyOf(request) {
  const pieces = [];
  let size = 0;
  for await (const piece of request) {
    size += piece.length;
    if (size > MAX_BODY) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

// Writes it under a name made of its id, unless that is there. It is there whole or not at all.
async function keep(id, body) {
  const name = createHash('sha256').update(id).digest('hex');
  const finished = path.join(folder, `${name}.json`);
  if (await fs.stat(finished).catch(() => null)) return;
  const unfinished = path.join(folder, `${name}.unfinished-${randomUUID()}`);
  try {
    await fs.writeFile(unfinished, body, { flag: 'wx' });
    const file = await fs.open(unfinished);
    await file.sync();
    await file.close();
    await fs.rename(unfinished, finished);
  } finally {
    await fs.rm(unfinished, { force: true });
  }
  const directory = await fs.open(folder);
  await directory.sync();
  await directory.close();
}

async function statusOf(request) {
  if (request.method !== 'POST') return [405, 'POST is what there is'];
  const body = await bodyOf(request);
  if (body === undefined) return [413, 'it is too large'];
  try {
    // The bytes as they came: JSON that was read and written again is not what was signed.
    check(secrets, request.headers, body, Date.now() / 1000);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return [401, error.message];
  }
  try {
    await keep(request.headers['webhook-id'], body);
  } catch (error) {
    return [500, `cannot write: ${error.code}`]; // It is sent again.
  }
  return [204, ''];
}

const server = http.createServer({ requestTimeout: 10_000 }, async (request, response) => {
  try {
    const [status, text] = await statusOf(request);
    // What is refused may not have been read to its end.
    if (status !== 204) response.setHeader('Connection', 'close');
    response.writeHead(status, status === 204 ? {} : { 'Content-Type': 'text/plain' }).end(text && `${text}\n`);
  } catch {
    response.destroy(); // The sender went away.
  }
});
const [, host, port] = /^(.*):(\d+)$/.exec(process.env.RECEIVER_LISTEN ?? '127.0.0.1:9000');
server.listen(Number(port), host, () => console.log(`listening on port ${server.address().port}`));
process.once('SIGTERM', () => process.exit(0));
