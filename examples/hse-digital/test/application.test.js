'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { WebSocket } = require('ws');
const { Application } = require('./support/application');
const { poll } = require('./support/poll');
const { startServices, missingServices, freePort, HOST } = require('./support/services');

const SHUTDOWN_LINES = [
  'received, initiating graceful shutdown',
  'Stopping report scheduler...',
  'Closing HTTP server (waiting for active connections)...',
  'HTTP server closed successfully',
  'Closing WebSocket connections...',
  'WebSocket server closed',
  'Disconnecting from database...',
  'Database connection closed',
  'Graceful shutdown completed successfully',
];

const SERIES = [
  /^hse_digital_process_cpu_seconds_total \d/m,
  /^hse_digital_process_resident_memory_bytes \d/m,
  /^hse_digital_nodejs_heap_size_used_bytes \d/m,
  /^hse_digital_nodejs_heap_size_total_bytes \d/m,
  /^hse_digital_tenant_data_transfer_bytes_total\{direction="inbound",tenant="public"\} \d/m,
  /^hse_digital_tenant_data_transfer_bytes_total\{direction="outbound",tenant="public"\} \d/m,
  /^hse_digital_active_connections \d/m,
  /^hse_digital_http_requests_total\{method="GET",route="[^"]+",status="200"\} \d/m,
  /^hse_digital_http_request_duration_seconds_bucket\{le="\+Inf",method="GET",route="[^"]+",status="200"\} \d/m,
  /^hse_digital_nodejs_gc_duration_seconds_sum\{kind="minor"\} \d/m,
  /^hse_digital_nodejs_eventloop_lag_seconds \d/m,
  /^hse_digital_database_queries_total\{operation="select"\} \d/m,
];

function assertShutdownOrder(output, signal) {
  const lines = output.split('\n');
  const positions = SHUTDOWN_LINES.map((text) => lines.findIndex((line) => line.includes(text)));
  assert.ok(positions.every((position) => position >= 0), `missing lines in\n${output}`);
  assert.deepEqual(positions, [...positions].sort((a, b) => a - b), output);
  assert.equal(new Set(positions).size, positions.length, 'each on a separate line');
  assert.ok(lines[positions[0]].includes(`${signal} received`));
}

/** A WebSocket client that remembers its messages. */
async function connectWebSocket(app, options) {
  const ws = new WebSocket(`ws://${HOST}:${app.port}/ws`, options);
  ws.messages = [];
  ws.on('message', (data) => ws.messages.push(JSON.parse(data.toString())));
  ws.closed = new Promise((resolve) => { ws.once('close', (code) => resolve(code)); });
  await new Promise((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  return ws;
}

async function metric(app, series) {
  const { text } = await app.request('GET', '/metrics');
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

const missing = missingServices();
if (missing) console.error(`Integration tests are skipped, ${missing}`);

describe('the application', { skip: missing }, () => {
  let services;
  before(async () => { services = await startServices(); });
  after(async () => { await services?.stop(); });

  /** Runs `action` with an application that is removed afterwards, whatever happens. */
  async function withApplication(env, action) {
    const app = await Application.start(services, env);
    try {
      await app.healthy();
      await action(app);
    } finally {
      await app.dispose();
    }
  }

  describe('while it runs', () => {
    const credentials = { email: 'safety@example.test', password: 'correct horse battery' };
    let app;
    before(async () => {
      app = await Application.start(services, {
        ADMIN_EMAIL: credentials.email,
        ADMIN_PASSWORD: credentials.password,
        ADMIN_TENANT: 'acme',
        UPLOAD_MAX_BYTES: '1000',
        REPORT_INTERVAL_SECONDS: '1',
        REPORT_KEEP: '2',
      });
      await app.healthy();
    });
    after(async () => { await app?.dispose(); });

    const login = async () => {
      // The account is stored after health turns green.
      const answer = await poll(async () => {
        const response = await app.request('POST', '/api/auth/login', { json: credentials });
        return response.status === 200 && response;
      }, { what: 'the login', timeoutMs: 10_000 });
      return answer.json;
    };

    test('health names its checks', async () => {
      const { status, json } = await app.request('GET', '/api/health');
      assert.equal(status, 200);
      assert.equal(json.status, 'ok');
      assert.deepEqual(json.checks, { database: 'ok', redis: 'ok', storage: 'ok' });
    });

    test('active connections are real: kept-alive HTTP and WebSocket', async () => {
      const agent = new http.Agent({ keepAlive: true });
      const ws = await connectWebSocket(app);
      await app.request('GET', '/api/health', { agent });
      // The scrape's own connection, the idle one and the WebSocket.
      await poll(async () => await metric(app, 'hse_digital_active_connections') === 3, { what: '3 connections' });
      agent.destroy();
      ws.terminate();
      await poll(async () => await metric(app, 'hse_digital_active_connections') === 1, { what: '1 connection' });
    });

    test('incidents are stored, listed, cached and broadcast', async () => {
      const ws = await connectWebSocket(app);
      const created = await app.request('POST', '/api/incidents', { json: { title: 'Oil on the floor', severity: 'high' } });
      assert.equal(created.status, 201, created.text);
      const { incident } = created.json;
      assert.equal(incident.title, 'Oil on the floor');

      const first = await app.request('GET', '/api/incidents');
      const second = await app.request('GET', '/api/incidents');
      assert.deepEqual([first.headers['x-cache'], second.headers['x-cache']], ['miss', 'hit']);
      assert.deepEqual(first.json, second.json);
      assert.deepEqual(first.json.incidents[0], incident);

      await poll(() => ws.messages.find((message) => message.type === 'incident.created'), { what: 'the broadcast' });
      assert.deepEqual(ws.messages.at(-1), { type: 'incident.created', incident });
      ws.send(JSON.stringify({ type: 'ping' }));
      await poll(() => ws.messages.some((message) => message.type === 'pong'), { what: 'the pong' });
      const pong = new Promise((resolve) => { ws.once('pong', resolve); });
      ws.ping();
      await pong;
      ws.terminate();

      // A new incident makes the cached list stale.
      await app.request('POST', '/api/incidents', { json: { title: 'Another' } });
      assert.equal((await app.request('GET', '/api/incidents')).json.incidents[0].title, 'Another');
      assert.ok(await metric(app, 'hse_digital_database_queries_total{operation="insert"}') >= 2);
    });

    test('incidents are validated', async () => {
      for (const json of [{}, { title: '' }, { title: 5 }, { title: 'x', severity: 'awful' }, { title: 'a\0b' }]) {
        assert.equal((await app.request('POST', '/api/incidents', { json })).status, 400, JSON.stringify(json));
      }
      const broken = await app.request('POST', '/api/incidents', { body: '{', headers: { 'content-type': 'application/json' } });
      assert.equal(broken.status, 400);
    });

    test('login, refresh, and tenants that do not see each other', async () => {
      const tokens = await login();
      const authorization = { authorization: `Bearer ${tokens.accessToken}` };
      const wrong = await app.request('POST', '/api/auth/login', { json: { ...credentials, password: 'wrong' } });
      assert.equal(wrong.status, 401);

      const ws = await connectWebSocket(app, { headers: authorization });
      await app.request('POST', '/api/incidents', { headers: authorization, json: { title: 'Ours' } });
      await poll(() => ws.messages.some((message) => message.incident?.title === 'Ours'), { what: 'the broadcast' });
      await app.request('POST', '/api/incidents', { json: { title: 'Theirs' } });
      assert.deepEqual((await app.request('GET', '/api/incidents', { headers: authorization })).json.incidents.map((i) => i.title), ['Ours']);
      ws.terminate();
      assert.ok(await metric(app, 'hse_digital_tenant_data_transfer_bytes_total{direction="inbound",tenant="acme"}') > 0);

      const refresh = (refreshToken) => app.request('POST', '/api/auth/refresh', { json: { refreshToken } });
      const refreshed = await refresh(tokens.refreshToken);
      assert.equal(refreshed.status, 200, refreshed.text);
      assert.equal((await refresh(tokens.refreshToken)).status, 401, 'a refresh token works once');
      assert.equal((await refresh(refreshed.json.accessToken)).status, 401, 'an access token is no refresh token');
      assert.equal((await refresh(refreshed.json.refreshToken)).status, 200);

      const asAccess = { authorization: `Bearer ${tokens.refreshToken}` };
      assert.equal((await app.request('GET', '/api/incidents', { headers: asAccess })).status, 401, 'nor the other way round');
      await assert.rejects(connectWebSocket(app, { headers: asAccess }), /401/);
    });

    test('failed logins are limited', async () => {
      const statuses = [];
      for (let n = 0; n < 11; n += 1) {
        const json = { email: 'unknown@example.test', password: 'guess' };
        statuses.push((await app.request('POST', '/api/auth/login', { json })).status);
      }
      assert.deepEqual(statuses, [...Array(10).fill(401), 429]);
    });

    test('an upload is stored under a name of the server and offered as a download', async () => {
      const body = 'x'.repeat(1000);
      const { status, json: { upload } } = await app.request('POST', '/api/uploads?name=../../evil.html', {
        body, headers: { 'content-type': 'text/html' },
      });
      assert.equal(status, 201);
      assert.match(upload.name, /^[0-9a-f-]{36}\.bin$/);
      assert.equal(upload.size, 1000);
      assert.equal(fs.readFileSync(path.join(app.paths.UPLOAD_DIR, upload.name), 'utf8'), body);
      const download = await app.request('GET', upload.url);
      assert.equal(download.text, body);
      assert.equal(download.headers['content-disposition'], 'attachment');
      assert.equal(download.headers['x-content-type-options'], 'nosniff');
    });

    test('uploads beyond the limit are refused, with and without a declared length', async () => {
      const before = fs.readdirSync(app.paths.UPLOAD_DIR);
      const body = Buffer.alloc(1001);
      assert.equal((await app.request('POST', '/api/uploads', { body })).status, 413);
      assert.equal((await app.request('POST', '/api/uploads', { body, headers: { 'transfer-encoding': 'chunked' } })).status, 413);
      assert.equal((await app.request('POST', '/api/uploads', { body: '' })).status, 400);
      assert.equal((await app.request('POST', '/api/uploads', { body: 'a', headers: { 'content-type': 'multipart/form-data; boundary=b' } })).status, 415);
      assert.deepEqual(fs.readdirSync(app.paths.UPLOAD_DIR), before);
      // Polled, because the report scheduler also writes there.
      await poll(() => fs.readdirSync(app.paths.TMP_DIR).length === 0, { what: 'an empty temporary directory' });
    });

    test('an upload that the client gives up leaves no file behind', async () => {
      const socket = net.connect(app.port, HOST);
      socket.write('POST /api/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nhalf');
      await app.uploadStarted();
      socket.destroy();
      await poll(() => fs.readdirSync(app.paths.TMP_DIR).length === 0, { what: 'the temporary file to go' });
    });

    test('reports are written periodically and only the newest are kept', async () => {
      const first = await poll(async () => (await app.request('GET', '/api/reports')).json.reports[0], { what: 'a report' });
      const listed = await poll(async () => {
        const { reports } = (await app.request('GET', '/api/reports')).json;
        return !reports.some(({ name }) => name === first.name) && reports;
      }, { what: 'the first report to be replaced' });
      assert.ok(listed.length <= 2);
      const { name, size, url } = listed[0];
      assert.match(name, /^report-\d{8}T\d{6}Z-[0-9a-f]{8}\.pdf$/);
      const pdf = fs.existsSync(path.join(app.paths.REPORT_DIR, name)) ? await app.request('GET', url) : null;
      if (pdf?.status === 200) {
        assert.equal(pdf.buffer.length, size);
        assert.match(pdf.text, /^%PDF-1\.4/);
      }
    });

    test('unknown paths are 404 and do not become series', async () => {
      assert.equal((await app.request('GET', '/no/such/thing')).status, 404);
      assert.equal((await app.request('GET', '/uploads/..%2f..%2fpackage.json')).status, 404);
      assert.equal((await app.request('GET', '/')).status, 200);
      const { text } = await app.request('GET', '/metrics');
      assert.match(text, /http_requests_total\{method="GET",route="unmatched",status="404"\} [1-9]/);
      assert.doesNotMatch(text, /no\/such/);
    });

    test('lines go to stdout and to the log file; node reports no warning', async () => {
      await poll(() => /INFO {2}Request method=POST path=\/api\/incidents status=201 ms=/.test(
        fs.readFileSync(path.join(app.paths.LOG_DIR, 'app.log'), 'utf8'),
      ), { what: 'the log file' });
      assert.match(app.output, /INFO {2}Request method=POST path=\/api\/incidents status=201 ms=/);
      assert.equal(app.errors, '');
    });
  });

  test('all series exist on the first scrape, before any other request', async () => {
    const app = await Application.start(services);
    try {
      const { status, headers, text } = await app.request('GET', '/metrics');
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^text\/plain; version=0\.0\.4/);
      for (const series of SERIES) assert.match(text, series);
    } finally {
      await app.dispose();
    }
  });

  test('REQUIRE_AUTH refuses callers without a token', async () => {
    await withApplication({ REQUIRE_AUTH: 'true' }, async (app) => {
      for (const pathname of ['/api/incidents', '/api/reports', '/uploads/x', '/reports/x']) {
        assert.equal((await app.request('GET', pathname)).status, 401, pathname);
      }
      assert.equal((await app.request('GET', '/api/health')).status, 200);
      await assert.rejects(connectWebSocket(app), /401/);
    });
  });

  test('health is 503 while Redis does not answer, incidents still work', async () => {
    await withApplication({}, async (app) => {
      services.redisServer.child.kill('SIGSTOP');
      try {
        const { status, json } = await app.request('GET', '/api/health');
        assert.equal(status, 503);
        assert.deepEqual(json.checks, { database: 'ok', redis: 'failed', storage: 'ok' });
        assert.equal((await app.request('GET', '/api/incidents')).status, 200);
      } finally {
        services.redisServer.child.kill('SIGCONT');
      }
      await app.healthy();
    });
  });

  test('without a database: health 503 first, exit code 1 when the time is up', async () => {
    const app = await Application.start(
      { ...services, database: { ...services.database, port: await freePort() } },
      { DATABASE_START_TIMEOUT_SECONDS: '2' },
    );
    try {
      assert.equal((await app.request('GET', '/api/health')).status, 503);
      assert.deepEqual(await app.exited, { code: 1, signal: null });
      assert.match(app.output, /Database not ready, retrying/);
      assert.match(app.output, /Start failed error="database not usable/);
    } finally {
      await app.dispose();
    }
  });

  test('SIGTERM while the database is awaited ends gracefully', async () => {
    const app = await Application.start({ ...services, database: { ...services.database, port: await freePort() } });
    try {
      await app.logged('Database not ready, retrying');
      app.signal('SIGTERM');
      assert.deepEqual(await app.exited, { code: 0, signal: null });
      assertShutdownOrder(app.output, 'SIGTERM');
    } finally {
      await app.dispose();
    }
  });

  for (const signal of ['SIGTERM', 'SIGINT']) {
    test(`${signal}: active requests finish, everything closes in order, exit code 0`, async () => {
      await withApplication({}, async (app) => {
        const agent = new http.Agent({ keepAlive: true });
        await app.request('GET', '/api/health', { agent });
        const idleClosed = new Promise((resolve) => {
          Object.values(agent.freeSockets).flat()[0].once('close', resolve);
        });
        const unused = net.connect(app.port, HOST);
        const unusedClosed = new Promise((resolve) => { unused.once('close', resolve); });
        await new Promise((resolve) => { unused.once('connect', resolve); });
        const ws = await connectWebSocket(app);
        const upload = app.openUpload(10);
        upload.send('12345');
        await app.uploadStarted();

        app.signal(signal);
        await app.logged('Closing HTTP server (waiting for active connections)...');
        await Promise.all([idleClosed, unusedClosed]);
        await assert.rejects(app.request('GET', '/api/health'), { code: 'ECONNREFUSED' });
        assert.equal(app.exit, null);
        assert.equal(ws.readyState, WebSocket.OPEN, 'WebSockets are closed after HTTP');
        assert.ok(!app.output.includes('HTTP server closed successfully'));

        upload.finish('67890');
        const answer = await upload.answer;
        assert.equal(answer.status, 201);
        assert.equal(answer.headers.connection, 'close');
        assert.equal(await ws.closed, 1001);
        assert.deepEqual(await app.exited, { code: 0, signal: null });
        assertShutdownOrder(app.output, signal);
        const file = fs.readFileSync(path.join(app.paths.LOG_DIR, 'app.log'), 'utf8');
        assertShutdownOrder(file, signal);
        assert.equal(app.errors, '');
        agent.destroy();
      });
    });
  }

  test('health is 503 while draining', async () => {
    await withApplication({ SHUTDOWN_DRAIN_DELAY_MS: '600000' }, async (app) => {
      app.signal('SIGTERM');
      await app.logged('Stopping report scheduler...');
      const { status, json } = await app.request('GET', '/api/health');
      assert.equal(status, 503);
      assert.equal(json.status, 'draining');
    });
  });

  test('a WebSocket client that does not answer does not hold up the shutdown', async () => {
    await withApplication({}, async (app) => {
      const socket = net.connect(app.port, HOST);
      let received = '';
      socket.on('data', (data) => { received += data; });
      socket.on('error', () => {});
      socket.write('GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
        + 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
      await poll(() => received.includes('101 Switching'), { what: 'the upgrade' });
      app.signal('SIGTERM');
      assert.deepEqual(await app.exited, { code: 0, signal: null });
      socket.destroy();
    });
  });

  test('the inner timeout forces exit code 1', async () => {
    await withApplication({ SHUTDOWN_TIMEOUT_MS: '300' }, async (app) => {
      const upload = app.openUpload(10);
      upload.send('12345');
      await app.uploadStarted();
      app.signal('SIGTERM');
      assert.deepEqual(await app.exited, { code: 1, signal: null });
      assert.match(app.output, /ERROR Graceful shutdown timed out after 300 ms, forcing exit/);
    });
  });

  test('a second signal exits at once with code 1', async () => {
    await withApplication({}, async (app) => {
      const upload = app.openUpload(10);
      upload.send('12345');
      await app.uploadStarted();
      app.signal('SIGTERM');
      await app.logged('Closing HTTP server (waiting for active connections)...');
      app.signal('SIGTERM');
      assert.deepEqual(await app.exited, { code: 1, signal: null });
      assert.ok(!app.output.includes('HTTP server closed successfully'));
    });
  });
});
