// Sends files with nodemailer. Reads one JSON object from standard input:
//   { modules: folder with node_modules,
//     transport: options of nodemailer's SMTP transport; auth.method "SCRAM-SHA-256" is served by this file,
//     messages: [{ file, from, to }] }
// Exits with 1 and the error on standard error when one is not taken.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const { createRequire } = require('module');

const job = JSON.parse(fs.readFileSync(0, 'utf8'));
const nodemailer = createRequire(job.modules + '/')('nodemailer');

const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();
const decode = response => Buffer.from(response.text.split(' ').pop(), 'base64').toString();

// SCRAM-SHA-256 (RFC 7677) over nodemailer's interface for custom authentication.
async function scramSha256(ctx) {
  const { user, pass } = ctx.auth.credentials;
  const nonce = crypto.randomBytes(18).toString('base64');
  const firstBare = `n=${user.replace(/=/g, '=3D').replace(/,/g, '=2C')},r=${nonce}`;
  let reply = await ctx.sendCommand('AUTH SCRAM-SHA-256 ' + Buffer.from('n,,' + firstBare).toString('base64'));
  if (reply.status !== 334) throw new Error('no challenge: ' + reply.response);
  const serverFirst = decode(reply);
  const [, serverNonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=([0-9]+)/.exec(serverFirst);
  if (!serverNonce.startsWith(nonce)) throw new Error('the server changed the nonce');
  const salted = crypto.pbkdf2Sync(pass, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=biws,r=${serverNonce}`;
  const authMessage = `${firstBare},${serverFirst},${withoutProof}`;
  const signature = hmac(crypto.createHash('sha256').update(clientKey).digest(), authMessage);
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ signature[index])).toString('base64');
  reply = await ctx.sendCommand(Buffer.from(`${withoutProof},p=${proof}`).toString('base64'));
  if (reply.status !== 334) throw new Error('authentication failed: ' + reply.response);
  const expected = 'v=' + hmac(hmac(salted, 'Server Key'), authMessage).toString('base64');
  if (decode(reply) !== expected) throw new Error('the server does not know the password');
  reply = await ctx.sendCommand('');
  if (reply.status !== 235) throw new Error('authentication failed: ' + reply.response);
  return true;
}

async function main() {
  const options = { ...job.transport, name: 'client.test' };
  if (options.auth && options.auth.method === 'SCRAM-SHA-256') {
    options.auth = { ...options.auth, type: 'custom' };
    options.customAuth = { 'SCRAM-SHA-256': scramSha256 };
  }
  const transport = nodemailer.createTransport(options);
  for (const message of job.messages) {
    const envelope = { from: message.from, to: [message.to] };
    const info = await transport.sendMail({ envelope, raw: fs.createReadStream(message.file) });
    if (info.accepted.length !== 1) throw new Error('not accepted: ' + info.response);
  }
  transport.close();
}

main().catch(error => {
  console.error(error.message);
  process.exit(1);
});
