// A support desk on Mailstead: makes a ticket of each message in a mailbox, answers it and deletes it.
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import protobuf from 'protobufjs';

const CONSUMER = 'support-desk';
// What a call may take, in milliseconds. A Watch has no end of its own.
const DEADLINE = 30_000;
// The same call may succeed without anybody having done something (docs/store-api-errors.md); with other codes where the store
// says how long to wait, which is not longer than this, in milliseconds.
const AGAIN = new Set([grpc.status.CANCELLED, grpc.status.UNKNOWN, grpc.status.DEADLINE_EXCEEDED, grpc.status.INTERNAL,
  grpc.status.UNAVAILABLE]);
const LONGEST_ASKED = 300_000;
const mayBeRepeated = (code, asked) => AGAIN.has(code) || asked <= LONGEST_ASKED;
// Of a stream: another desk is at work now, the key was changed, this one read too slowly, or there are too many streams. This one
// waits for its turn.
const TURN_LOST = new Set([grpc.status.ABORTED, grpc.status.RESOURCE_EXHAUSTED]);

const protos = process.env.DESK_PROTO ??
  path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../proto');
const { mailstead: { store: { v1 } } } = grpc.loadPackageDefinition(loader.loadSync(
  ['message', 'submission', 'watch'].map((name) => `mailstead/store/v1/${name}.proto`),
  // int64 as text: a number of JavaScript ends at 2^53.
  { includeDirs: [protos], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true }));
// What the details of errors are.
const rpc = new protobuf.Root();
rpc.resolvePath = (_, target) => (target.startsWith('google/protobuf/') ? target : path.resolve(protos, target));
rpc.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto']);

// { reason, wait } of an error of the store; `wait` in milliseconds, or undefined.
function detailsOf(error) {
  const found = { reason: '', wait: undefined };
  const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? [];
  if (!bytes) return found;
  for (const { type_url: url, value } of rpc.lookupType('google.rpc.Status').decode(bytes).details) {
    const type = url.split('/').pop();
    if (type === 'google.rpc.ErrorInfo') found.reason = rpc.lookupType(type).decode(value).reason;
    if (type === 'google.rpc.RetryInfo') {
      const { retryDelay: delay } = rpc.lookupType(type).decode(value);
      found.wait = Number(delay?.seconds ?? 0) * 1000 + (delay?.nanos ?? 0) / 1e6;
    }
  }
  return found;
}

// A header field's text in ASCII (RFC 2047), in words of at most 75 characters.
function encoded(text) {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const words = [];
  let bytes = Buffer.alloc(0);
  const end = () => words.push(`=?utf-8?B?${bytes.toString('base64')}?=`);
  for (const character of text) {
    const next = Buffer.concat([bytes, Buffer.from(character)]);
    if (next.length > 45) {
      end();
      bytes = Buffer.from(character);
    } else {
      bytes = next;
    }
  }
  end();
  return words.join('\r\n ');
}

class Desk {
  constructor(environment, key, authority) {
    this.account = environment.DESK_ACCOUNT ?? 'support@example.test';
    this.folder = environment.DESK_FOLDER ?? 'tickets';
    this.key = new grpc.Metadata();
    this.key.set('authorization', `Bearer ${key}`);
    const store = environment.DESK_STORE ?? '127.0.0.1:7070';
    const credentials = authority ? grpc.credentials.createSsl(authority) : grpc.credentials.createInsecure();
    // So that a store that vanished without a word is missed.
    const options = { 'grpc.keepalive_time_ms': 60_000 };
    this.messages = new v1.MessageService(store, credentials, options);
    this.submissions = new v1.SubmissionService(store, credentials, options);
    this.watch = new v1.WatchService(store, credentials, options);
    this.incarnation = '';
    // What no other desk is called.
    this.name = randomUUID();
  }

  call(client, method, request) {
    return this.repeat(() => new Promise((resolve, reject) => {
      client[method](request, this.key, { deadline: Date.now() + DEADLINE },
        (error, response) => (error ? reject(error) : resolve(response)));
    }));
  }

  // Tries a call until it has an answer.
  async repeat(attempt) {
    for (let wait = 200; ; wait = Math.min(wait * 2, 30_000)) {
      try {
        return await attempt();
      } catch (error) {
        const { wait: asked } = detailsOf(error);
        if (!mayBeRepeated(error.code, asked)) throw error;
        await sleep(Math.max(wait, asked ?? 0));
      }
    }
  }

  // ---- The feed

  async run() {
    await fs.mkdir(this.folder, { recursive: true });
    await this.createConsumer();
    let wait = 200;
    for (;;) {
      let asked;
      const stream = this.watch.Watch({ consumer: CONSUMER }, this.key);
      try {
        // One at a time: gRPC stops reading when much is unread.
        for await (const { events } of stream) {
          wait = 200;
          await this.takeEvents(events);
        }
      } catch (error) {
        if (error.code === undefined || typeof error.code === 'string') throw error;
        const { reason, wait: said } = detailsOf(error);
        if (reason === 'CURSOR_EXPIRED') {
          // What came meanwhile is not told any more. It is still in the mailbox.
          await this.call(this.watch, 'ResetConsumer', { name: CONSUMER, start: 'WATCH_START_NOW' });
          continue;
        }
        if (!mayBeRepeated(error.code, said) && !TURN_LOST.has(error.code)) throw error;
        asked = said;
      } finally {
        stream.cancel();
      }
      await sleep(Math.max(wait, asked ?? 0));
      wait = Math.min(wait * 2, 30_000);
    }
  }

  async createConsumer() {
    try {
      await this.call(this.watch, 'CreateConsumer', {
        name: CONSUMER, start: 'WATCH_START_NOW',
        filter: { accounts: [this.account], kinds: ['WATCH_KIND_DELIVERED'] },
      });
    } catch (error) {
      if (error.code !== grpc.status.ALREADY_EXISTS) throw error;
    }
  }

  async takeEvents(events) {
    for (const event of events) {
      if (event.event === 'started') {
        // This desk is the active one. First what is there: from before the consumer was made, or left by another desk.
        this.incarnation = event.started.incarnation;
        await this.takeAll();
      } else if (event.event === 'delivered') {
        await this.take(event.delivered.message_id);
      }
    }
    const { cursor } = events.at(-1);
    // None while another desk is at work.
    if (cursor.length > 0) await this.call(this.watch, 'AckConsumer', { name: CONSUMER, cursor });
  }

  async takeAll() {
    let page = { next_page_token: '' };
    do {
      page = await this.call(this.messages, 'ListMessages',
        { account: this.account, page_token: page.next_page_token });
      for (const message of page.messages) await this.take(message.summary.message_id);
    } while (page.next_page_token !== '');
  }

  // ---- A message

  async take(messageId) {
    let message;
    try {
      message = await this.call(this.messages, 'GetMessage',
        { account: this.account, message_id: messageId, view: 'MESSAGE_VIEW_PARSED' });
    } catch (error) {
      if (error.code === grpc.status.NOT_FOUND) return; // Dealt with before a restart.
      throw error;
    }
    // In another incarnation of the store the same id may be another message's.
    const ticket = createHash('sha256')
      .update(`${this.incarnation} ${this.account} ${message.summary.unique_id}`).digest('hex');
    await this.write(ticket, message);
    // Of desks that were killed, or are behind.
    for (const left of await fs.readdir(this.folder)) {
      if (left.startsWith(`${ticket}.unfinished-`)) await fs.rm(path.join(this.folder, left), { recursive: true, force: true });
    }
    await this.answer(ticket, message);
    await this.call(this.messages, 'DeleteMessages', { account: this.account, message_ids: [messageId] });
    console.log(`ticket ${ticket}`);
  }

  async write(ticket, message) {
    const finished = path.join(this.folder, ticket);
    if (await fs.stat(finished).catch(() => null)) return;
    const unfinished = `${finished}.unfinished-${this.name}`;
    await fs.rm(unfinished, { recursive: true, force: true });
    await fs.mkdir(unfinished);
    const parts = new Map(message.parsed.parts.map((part) => [part.part_id, part]));
    const attachments = [];
    for (const [index, partId] of message.parsed.attachment_part_ids.entries()) {
      const file = `attachment-${index + 1}`;
      await this.fetch(message.summary.message_id, partId, path.join(unfinished, file));
      attachments.push({ file, sent_as: parts.get(partId).file_name, type: parts.get(partId).media_type });
    }
    const text = parts.get(message.parsed.plain_text_part_id) ?? parts.get(message.parsed.html_text_part_id);
    const about = {
      from: message.header.from_addresses.map(({ address }) => address),
      subject: message.header.subject, text: text?.text ?? '', attachments,
    };
    await fs.writeFile(path.join(unfinished, 'ticket.json'), `${JSON.stringify(about, null, 1)}\n`);
    await fs.rename(unfinished, finished).catch(async (error) => {
      if (!await fs.stat(finished).catch(() => null)) throw error; // Another desk has written it meanwhile.
    });
  }

  async fetch(messageId, partId, file) {
    await this.repeat(() => {
      const pieces = this.messages.FetchMessage(
        { account: this.account, message_id: messageId, part_id: partId }, this.key, { deadline: Date.now() + 20 * DEADLINE });
      const content = new Transform({
        writableObjectMode: true,
        transform(piece, _, done) { done(null, piece.content); },
      });
      return pipeline(pieces, content, createWriteStream(file));
    });
  }

  async answer(ticket, message) {
    const sender = message.summary.reverse_path;
    const field = (name) => message.header.fields.find((each) => each.name.toLowerCase() === name)?.value.toLowerCase();
    // RFC 3834 section 2: never to a program, and never to a list.
    if (sender === '' || (field('auto-submitted') ?? 'no') !== 'no' || field('list-id') !== undefined ||
        ['bulk', 'junk', 'list'].includes(field('precedence'))) return;
    const thread = message.header.header_message_id;
    const lines = [
      `From: ${this.account}`, `To: ${sender}`,
      `Subject: [${ticket.slice(0, 8)}] ${encoded(message.header.subject)}`,
      'Auto-Submitted: auto-replied',
      ...(thread === '' ? [] : [`In-Reply-To: <${thread}>`, `References: <${thread}>`]),
      'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', '',
      `We have got your message. Its number is ${ticket.slice(0, 8)}.`, '',
    ];
    try {
      await this.call(this.submissions, 'SubmitMessage', {
        request_id: ticket, account: this.account, envelope: { recipients: [{ address: sender }] },
        content: Buffer.from(lines.join('\r\n')),
      });
    } catch (error) {
      // No answer is no reason to lose the ticket.
      console.error(`no answer to ${sender}: ${detailsOf(error).reason} ${error.details}`);
    }
  }
}

process.once('SIGTERM', () => process.exit(0));
const key = (await fs.readFile(process.env.DESK_KEY_FILE ?? 'desk.key', 'ascii')).trim();
const authority = process.env.DESK_CA_FILE && await fs.readFile(process.env.DESK_CA_FILE);
try {
  await new Desk(process.env, key, authority).run();
} catch (error) {
  console.error(`desk: ${error.code ?? ''} ${detailsOf(error).reason}: ${error.details ?? error.message}`);
  process.exit(1);
}
