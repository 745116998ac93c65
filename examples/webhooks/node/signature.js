// Checks what a webhook was signed with, as Standard Webhooks has it (https://www.standardwebhooks.com).
import { createHmac, timingSafeEqual } from 'node:crypto';

// How old, or how far ahead, a signature may be, in seconds.
export const TOLERANCE = 300;

// It is not from who has the secret, or not of now.
export class Refused extends Error {}

// The key of a secret as it is told: whsec_ and base64.
export function secretBytes(text) {
  if (!/^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    throw new Error('a secret is whsec_ and base64');
  }
  return Buffer.from(text.slice('whsec_'.length), 'base64');
}

// In a time that does not tell how much of it was right.
function same(one, other) {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

// Throws Refused unless one of the secrets has signed this. Two of them count while one takes the other's place. `headers` are
// those of node:http, `body` a Buffer, `now` in seconds.
export function check(secrets, headers, body, now) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (!id || !timestamp || !signatures) throw new Refused('webhook-id, webhook-timestamp or webhook-signature is missing');
  if (!/^[0-9]{1,12}$/.test(timestamp)) throw new Refused('webhook-timestamp is no time');
  // What was signed long ago may have been kept by somebody, and be sent again.
  if (Math.abs(now - Number(timestamp)) > TOLERANCE) throw new Refused('webhook-timestamp is not of now');
  const wanted = secrets.map((secret) =>
    `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body).digest('base64')}`);
  if (!signatures.split(' ').some((given) => wanted.some((one) => same(given, one)))) {
    throw new Refused('no signature is right');
  }
}
