'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { poll } = require('./poll');
const { HOST } = require('./services');

const ENTRY = path.join(__dirname, '..', '..', 'server', 'src', 'index.js');

/** The server as a child process, with its own directories. */
class Application {
  static async start(services, extraEnv = {}) {
    const app = new Application(services, extraEnv);
    await poll(() => {
      if (app.exit) throw new Error('the application ended');
      app.port = Number(/HTTP server listening.* port=(\d+)/.exec(app.output)?.[1]);
      return app.port;
    }, { what: () => `the HTTP server\n${app.output}` });
    return app;
  }

  constructor(services, extraEnv) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'hse-app-'));
    const secret = (name, value) => {
      const file = path.join(this.dir, name);
      fs.writeFileSync(file, `${value}\n`, { mode: 0o600 });
      return file;
    };
    this.paths = {
      UPLOAD_DIR: path.join(this.dir, 'uploads'),
      REPORT_DIR: path.join(this.dir, 'reports'),
      LOG_DIR: path.join(this.dir, 'logs'),
      TMP_DIR: path.join(this.dir, 'tmp'),
    };
    const { database, redis } = services;
    const env = {
      PATH: process.env.PATH,
      NODE_OPTIONS: '--max-old-space-size=512 --max-semi-space-size=64',
      UV_THREADPOOL_SIZE: '4',
      PORT: '0',
      JWT_SECRET_FILE: secret('jwt', 'test-access-secret-0123456789'),
      REFRESH_SECRET_FILE: secret('refresh', 'test-refresh-secret-0123456789'),
      DATABASE_HOST: database.host,
      DATABASE_PORT: String(database.port),
      DATABASE_NAME: database.name,
      DATABASE_USER: database.user,
      DATABASE_PASSWORD_FILE: secret('database', database.password),
      REDIS_HOST: redis.host,
      REDIS_PORT: String(redis.port),
      REDIS_PASSWORD_FILE: secret('redis', redis.password),
      ...this.paths,
      ...extraEnv,
    };
    // The flags of the image, and a failing test on anything they would report.
    this.child = spawn(process.execPath, ['--trace-warnings', '--trace-deprecation', ENTRY], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.output = '';
    this.errors = '';
    this.child.stdout.on('data', (data) => { this.output += data; });
    this.child.stderr.on('data', (data) => { this.errors += data; });
    this.exit = null;
    // "close" and not "exit": all output has been read then.
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
    this.killOnExit = () => this.child.kill('SIGKILL');
    process.once('exit', this.killOnExit);
  }

  url(pathname) {
    return `http://${HOST}:${this.port}${pathname}`;
  }

  /** One request on a new connection (or one of `agent`). */
  request(method, pathname, { headers = {}, body, json, agent = false } = {}) {
    return new Promise((resolve, reject) => {
      const payload = json === undefined ? body : JSON.stringify(json);
      const type = json === undefined ? {} : { 'content-type': 'application/json' };
      const req = http.request(this.url(pathname), { method, agent, headers: { ...type, ...headers } }, (res) => {
        const chunks = [];
        res.on('data', (chunk) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const buffer = Buffer.concat(chunks);
          const text = buffer.toString();
          resolve({
            status: res.statusCode,
            headers: res.headers,
            buffer,
            text,
            get json() { return JSON.parse(text); },
          });
        });
      });
      req.on('error', reject);
      req.end(payload);
    });
  }

  /** An upload whose body is sent by the caller: `send(chunk)`, `finish(chunk)`. */
  openUpload(length) {
    const req = http.request(this.url('/api/uploads'), {
      method: 'POST', agent: false, headers: { 'content-type': 'text/plain', 'content-length': length },
    });
    const answer = new Promise((resolve, reject) => {
      req.on('response', (res) => {
        res.resume();
        res.on('end', () => resolve({ status: res.statusCode, headers: res.headers }));
      });
      req.on('error', reject);
    });
    // Some tests close the connection on purpose and ignore the response.
    answer.catch(() => {});
    return { answer, send: (chunk) => req.write(chunk), finish: (chunk) => req.end(chunk) };
  }

  /** The upload has arrived when its temporary file has bytes in it. */
  async uploadStarted() {
    await poll(() => fs.readdirSync(this.paths.TMP_DIR)
      .some((name) => fs.statSync(path.join(this.paths.TMP_DIR, name)).size > 0), { what: 'the upload to start' });
  }

  async healthy() {
    await poll(async () => (await this.request('GET', '/api/health')).status === 200, { what: () => `health\n${this.output}` });
  }

  async logged(text) {
    await poll(() => this.output.includes(text), { what: () => `the log line "${text}"\n${this.output}` });
  }

  signal(name) {
    this.child.kill(name);
  }

  /** Stops the process in any state and removes its files. */
  async dispose() {
    if (!this.exit) this.child.kill('SIGKILL');
    await this.exited;
    process.off('exit', this.killOnExit);
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

module.exports = { Application, ENTRY };
