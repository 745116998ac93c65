'use strict';
// What the server sends is put on the page as text, never as markup: it may be a stranger's mail.

// An answer is shown up to here; a stream that goes on is cut in front.
const SHOWN = 200000;

function node(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function deref(api, value) {
  if (!value || !value.$ref) return value || {};
  return value.$ref.slice(2).split('/').reduce((at, name) => at[name], api);
}

function nameOf(ref) { return ref.split('/').pop(); }

function typeOf(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.type === 'array') return typeOf(schema.items) + '[]';
  return [schema.type, schema.format, schema.contentEncoding].filter(Boolean).join(', ');
}

// The members of a message; those of its members when they are opened.
function membersOf(api, schema) {
  const list = node('dl');
  for (const [name, member] of Object.entries(deref(api, schema).properties || {})) {
    list.append(node('dt', {}, name + ' ', node('span', { class: 'type' }, typeOf(member))));
    const about = node('dd', {}, node('p', {}, member.description || ''));
    const inner = member.type === 'array' ? member.items : member;
    const target = inner.$ref ? deref(api, inner) : {};
    if (target.properties || target.enum) {
      const more = node('details', {}, node('summary', {}, nameOf(inner.$ref)));
      more.addEventListener('toggle', () => {
        if (more.children.length > 1) return;
        more.append(node('p', {}, target.description || ''));
        if (target.properties) more.append(membersOf(api, inner));
      });
      about.append(more);
    }
    list.append(about);
  }
  return list;
}

// A request to begin with: its members that are no messages.
function exampleOf(api, schema) {
  const example = {};
  for (const [name, member] of Object.entries(deref(api, schema).properties || {})) {
    if (member.type === 'string' && !member.format && !member.contentEncoding && !name.endsWith('Token')) example[name] = '';
  }
  return JSON.stringify(example, null, 2);
}

function enveloped(text) {
  const message = new TextEncoder().encode(text);
  const bytes = new Uint8Array(5 + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, 5);
  return bytes;
}

// Gives each whole message of a stream in envelopes.
function envelopeReader(give) {
  let held = new Uint8Array(0);
  return (piece) => {
    const all = new Uint8Array(held.length + piece.length);
    all.set(held);
    all.set(piece, held.length);
    let at = 0;
    while (all.length - at >= 5) {
      const size = new DataView(all.buffer, at).getUint32(1);
      if (all.length - at - 5 < size) break;
      give(new TextDecoder().decode(all.subarray(at + 5, at + 5 + size)) + '\n');
      at += 5 + size;
    }
    held = all.slice(at);
  };
}

function textReader(give) {
  const decoder = new TextDecoder();
  return (piece) => give(decoder.decode(piece, { stream: true }));
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

// Of raw mail and parts: the bytes, to be kept as a file, whose type is told to nobody.
async function offer(response, into) {
  const bytes = await response.arrayBuffer();
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  const link = node('a', { href: url, download: 'mail.bin' }, 'Save ' + bytes.byteLength + ' bytes');
  into.replaceChildren(link);
}

async function show(response, into) {
  const output = node('pre');
  const type = response.headers.get('Content-Type') || '';
  into.replaceChildren(node('p', { class: response.ok ? 'ok' : 'failed' }, response.status + ' ' + type), output);
  if (!response.body) return;
  if (response.headers.get('Content-Disposition')) {
    const place = node('p');
    output.replaceWith(place);
    return offer(response, place);
  }
  if (type === 'application/json') {
    output.textContent = pretty(await response.text()).slice(0, SHOWN);
    return;
  }
  const give = (text) => { output.textContent = (output.textContent + text).slice(-SHOWN); };
  const take = type.startsWith('application/connect') ? envelopeReader(give) : textReader(give);
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    take(value);
  }
}

function headersWith(more) {
  const key = document.getElementById('key').value.trim();
  return Object.assign(key ? { Authorization: 'Bearer ' + key } : {}, more);
}

// The inputs of an operation, and the request that they make.
function formOf(api, path, verb, operation) {
  const form = node('div');
  const content = operation.requestBody && operation.requestBody.content;
  if (content) {
    const type = Object.keys(content)[0];
    const schema = content[type].schema;
    const message = schema['x-messages'] ? schema['x-messages'][0] : schema;
    const text = node('textarea', { rows: 8, spellcheck: 'false' });
    text.value = exampleOf(api, message);
    form.append(text, node('details', {}, node('summary', {}, nameOf(message.$ref)), membersOf(api, message)));
    const streams = type !== 'application/json';
    return [form, () => [path, {
      method: 'POST', headers: headersWith({ 'Content-Type': type }), body: streams ? enveloped(text.value) : text.value,
    }]];
  }
  const inputs = (operation.parameters || []).map((parameter) => {
    const input = node('input', { autocomplete: 'off' });
    form.append(node('p', {}, node('label', {}, parameter.name + ' ', input), ' ' + (parameter.description || '')));
    return [parameter, input];
  });
  return [form, () => {
    const query = new URLSearchParams();
    const fields = {};
    let target = path;
    for (const [parameter, input] of inputs) {
      const value = input.value.trim();
      if (parameter.in === 'path') target = target.replace('{' + parameter.name + '}', encodeURIComponent(value));
      if (!value) continue;
      if (parameter.in === 'header') fields[parameter.name] = value;
      if (parameter.in === 'query') {
        const list = (parameter.schema || {}).type === 'array';
        for (const one of list ? value.split(/[\s,]+/) : [value]) query.append(parameter.name, one);
      }
    }
    return [target + (query.size ? '?' + query : ''), { method: verb.toUpperCase(), headers: headersWith(fields) }];
  }];
}

function fill(api, path, verb, operation, body) {
  const [form, request] = formOf(api, path, verb, operation);
  const send = node('button', {}, 'Send');
  const stop = node('button', { disabled: '' }, 'Stop');
  const result = node('div');
  send.addEventListener('click', async () => {
    const abort = new AbortController();
    stop.onclick = () => abort.abort();
    send.disabled = true;
    stop.disabled = false;
    try {
      const [target, options] = request();
      await show(await fetch(target, { ...options, signal: abort.signal, cache: 'no-store', credentials: 'omit' }), result);
    } catch (error) {
      result.append(node('p', { class: 'failed' }, String(error)));
    }
    send.disabled = false;
    stop.disabled = true;
  });
  body.append(node('p', {}, operation.description || ''), form, node('p', {}, send, ' ', stop), result);
}

function operationNode(api, path, verb, operation) {
  const body = node('div', { class: 'body' });
  const made = node('details', { 'data-words': (path + ' ' + operation.summary).toLowerCase() },
    node('summary', {}, node('span', { class: 'verb' }, verb.toUpperCase()), ' ', node('span', { class: 'path' }, path)), body);
  made.addEventListener('toggle', () => {
    if (!body.firstChild) fill(api, path, verb, operation, body);
  });
  return made;
}

function sectionOf(api, tag) {
  const section = node('section', {}, node('h2', {}, tag.name), node('p', {}, tag.description));
  for (const [path, verbs] of Object.entries(api.paths)) {
    for (const [verb, operation] of Object.entries(verbs)) {
      // A method by GET is the same method; HEAD is half of GET.
      if (!operation.tags.includes(tag.name) || verb === 'head' || (verb === 'get' && verbs.post)) continue;
      section.append(operationNode(api, path, verb, operation));
    }
  }
  return section;
}

function filter(words) {
  for (const section of document.querySelectorAll('section')) {
    let any = false;
    for (const operation of section.querySelectorAll(':scope > details')) {
      operation.hidden = !operation.dataset.words.includes(words);
      any = any || !operation.hidden;
    }
    section.hidden = !any;
  }
}

async function begin() {
  const operations = document.getElementById('operations');
  const response = await fetch('/openapi.json');
  if (!response.ok) {
    operations.replaceChildren(node('p', { class: 'failed' }, '/openapi.json: ' + response.status));
    return;
  }
  const api = await response.json();
  operations.replaceChildren(node('p', {}, api.info.description), ...api.tags.map((tag) => sectionOf(api, tag)));
  const find = document.getElementById('find');
  find.addEventListener('input', () => filter(find.value.trim().toLowerCase()));
}

begin();
