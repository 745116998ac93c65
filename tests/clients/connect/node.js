// node.js SETTINGS: the cases by @connectrpc/connect-node; gives JSON.
import fs from 'node:fs';
import { compressionGzip, createConnectTransport } from '@connectrpc/connect-node';
import { run } from './cases.js';

const settings = JSON.parse(process.argv[2]);
const open = ({ key = true, ...options }) => createConnectTransport({
  baseUrl: settings.url,
  httpVersion: settings.http,
  nodeOptions: settings.ca && { ca: fs.readFileSync(settings.ca) },
  sendCompression: settings.compress ? compressionGzip : null,
  interceptors: [(next) => (request) => {
    if (key) request.header.set('Authorization', `Bearer ${settings.key}`);
    return next(request);
  }],
  ...options,
});
console.log(JSON.stringify(await run(open, settings)));
process.exit(0); // Connections of HTTP/2 would be kept.
