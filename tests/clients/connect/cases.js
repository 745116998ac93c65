// What any of Connect's clients does with the store's API by way of webd: the same in Node.js and in a browser.
import { createClient, Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema } from './gen/google/rpc/error_details_pb.js';
import { MessageService, MessageView } from './gen/mailstead/store/v1/message_pb.js';
import { WatchService, WatchStart } from './gen/mailstead/store/v1/watch_pb.js';

const text = (content) => new TextEncoder().encode(content);

async function failure(call) {
  try {
    await call();
    return { code: 'none' };
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    return {
      code: Code[error.code],
      reasons: error.findDetails(ErrorInfoSchema).map(({ reason, domain }) => `${domain}/${reason}`),
      fields: error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations.map(({ field }) => field)),
    };
  }
}

async function fetched(messages, request) {
  const pieces = [];
  for await (const { content } of messages.fetchMessage(request)) pieces.push(content);
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
  return { pieces: pieces.length, sha256: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('') };
}

// The delivered message that a watch tells of which was there before.
async function watched(watch, messages, account, id) {
  const end = new AbortController();
  const seen = [];
  try {
    for await (const { events } of watch.watch(
      { filter: { accounts: [account] }, start: WatchStart.NOW, view: MessageView.PARSED }, { signal: end.signal })) {
      for (const { event } of events) {
        seen.push(event.case);
        if (event.case === 'started') {
          await messages.deliverMessage({
            envelope: { deliveryId: id, reversePath: '', recipients: [{ address: account }] },
            // More than what is sent as it is where the client compresses.
            content: text(`Subject: watched\r\n\r\nGrüße\r\n${'long \r\n'.repeat(1000)}`),
          });
        } else if (event.case === 'delivered') {
          const { message } = event.value;
          return { seen, subject: message.summary.subject, text: message.parsed.parts[0].text.slice(0, 5) };
        }
      }
    }
  } finally {
    end.abort();
  }
  return { seen };
}

// `open({ ...options })` gives a transport that shows the key, and with `key: false` none.
export async function run(open, { account, id }) {
  const results = {};
  for (const [name, options] of Object.entries({ json: {}, bytes: { useBinaryFormat: true }, get: { useHttpGet: true } })) {
    const transport = open(options);
    const [messages, watch] = [createClient(MessageService, transport), createClient(WatchService, transport)];
    const listed = await messages.listMessages({ account, pageSize: 1 });
    const { summary } = listed.messages[0];
    results[name] = {
      subject: summary.subject,
      fetched: await fetched(messages, { account, messageId: summary.messageId }),
      watched: await watched(watch, messages, account, `${id}-${name}`.padEnd(16, '-')),
      notFound: await failure(() => messages.getMessage({ account, messageId: 999_999n })),
      noAccount: await failure(() => messages.listMessages({ account: 'nobody@example.test' })),
      wrongFields: await failure(() => messages.deliverMessage({ envelope: { deliveryId: 'short' }, content: text('x') })),
      streamFails: await failure(() => fetched(messages, { account, messageId: summary.messageId, partId: '77' })),
      outOfScope: await failure(() => messages.deleteMessages({ account, messageIds: [summary.messageId] })),
      // A watch has no end of its own.
      tooLate: await failure(async () => {
        for await (const _ of watch.watch({ filter: { accounts: [account] } }, { timeoutMs: 200 }));
      }),
    };
  }
  const stranger = createClient(MessageService, open({ key: false }));
  results.noKey = await failure(() => stranger.listMessages({ account }));
  results.noKeyForStream = await failure(() => fetched(stranger, { account, messageId: 1n }));
  return results;
}
