// The cases by @connectrpc/connect-web in a page, whose URL has the settings behind the #; tells where the page came from.
import { createConnectTransport } from '@connectrpc/connect-web';
import { run } from './cases.js';

const settings = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const open = ({ key = true, ...options }) => createConnectTransport({
  baseUrl: settings.url,
  interceptors: [(next) => (request) => {
    if (key) request.header.set('Authorization', `Bearer ${settings.key}`);
    return next(request);
  }],
  ...options,
});
const tell = (result) => fetch('/result', { method: 'POST', body: JSON.stringify(result) });
run(open, settings).then(tell, (error) => tell({ failed: `${error.stack ?? error}` }));
