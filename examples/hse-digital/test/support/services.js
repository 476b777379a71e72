'use strict';

const { spawn, execFileSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { poll } = require('./poll');

const HOST = '127.0.0.1';

function findBinary(name, extraDirs = []) {
  const dirs = [...(process.env.PATH ?? '').split(path.delimiter), ...extraDirs];
  return dirs.map((dir) => path.join(dir, name)).find((file) => {
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function postgresDirs() {
  const root = '/usr/lib/postgresql';
  if (!fs.existsSync(root)) return [];
  return fs.readdirSync(root).sort((a, b) => b - a).map((version) => path.join(root, version, 'bin'));
}

const binaries = {
  initdb: findBinary('initdb', postgresDirs()),
  postgres: findBinary('postgres', postgresDirs()),
  redis: findBinary('redis-server') ?? findBinary('valkey-server'),
};

/** The reason why the services cannot be started here, or false. */
function missingServices() {
  const missing = Object.entries(binaries).filter(([, file]) => !file).map(([name]) => (name === 'redis' ? 'redis-server' : name));
  if (missing.length === 0) return false;
  return `not found: ${missing.join(', ')} (Debian: apt-get install postgresql redis-server)`;
}

/** PostgreSQL refuses to run as root; as root it runs as the user "postgres". */
function postgresAccount() {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, HOST, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function canConnect(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, HOST);
    socket.once('connect', () => { socket.destroy(); resolve(true); });
    socket.once('error', () => resolve(false));
  });
}

/** A child process that is known to have ended when stop() resolves. */
class Service {
  constructor(name, file, args, options = {}) {
    this.name = name;
    this.output = '';
    this.child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (data) => { this.output += data; });
    }
    this.exited = new Promise((resolve) => { this.child.once('exit', resolve); });
    this.ended = false;
    this.exited.then(() => { this.ended = true; });
    // Stop when the test runner dies.
    this.killOnExit = () => this.child.kill('SIGKILL');
    process.once('exit', this.killOnExit);
  }

  async listening(port) {
    await poll(() => {
      if (this.ended) throw new Error(`${this.name} ended: ${this.output}`);
      return canConnect(port);
    }, { what: () => `${this.name} on port ${port}: ${this.output}` });
  }

  async stop(signal) {
    this.child.kill('SIGCONT');
    this.child.kill(signal);
    await this.exited;
    process.off('exit', this.killOnExit);
  }
}

/** Private PostgreSQL and Redis instances in a temporary directory. */
async function startServices() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'hse-test-'));
  fs.chmodSync(dir, 0o755);
  const account = postgresAccount();
  const database = { host: HOST, port: await freePort(), name: 'postgres', user: 'hse', password: 'test-database-password' };
  const redis = { host: HOST, port: await freePort(), password: 'test-redis-password' };
  const started = [];

  const stop = async () => {
    // SIGINT: PostgreSQL's fast shutdown, which does not wait for clients.
    await Promise.all(started.map((service) => service.stop('SIGINT')));
    fs.rmSync(dir, { recursive: true, force: true });
  };

  try {
    const cluster = path.join(dir, 'postgres');
    const passwordFile = path.join(dir, 'postgres-password');
    fs.mkdirSync(cluster, { mode: 0o700 });
    fs.writeFileSync(passwordFile, database.password, { mode: 0o600 });
    if (account.uid !== undefined) {
      fs.chownSync(cluster, account.uid, account.gid);
      fs.chownSync(passwordFile, account.uid, account.gid);
    }
    execFileSync(binaries.initdb, [
      '-D', cluster, '-U', database.user, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--no-locale', '--no-sync',
    ], { ...account, cwd: dir, stdio: 'pipe' });
    const postgres = new Service('postgres', binaries.postgres, [
      '-D', cluster, '-h', HOST, '-p', String(database.port), '-k', cluster, '-F', '-c', 'shared_buffers=16MB',
    ], { ...account, cwd: dir });
    started.push(postgres);

    const redisServer = new Service('redis', binaries.redis, [
      '--bind', HOST, '--port', String(redis.port), '--requirepass', redis.password, '--save', '', '--appendonly', 'no', '--dir', dir,
    ], { cwd: dir });
    started.push(redisServer);

    await Promise.all([postgres.listening(database.port), redisServer.listening(redis.port)]);
    return { database, redis, redisServer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

module.exports = { startServices, missingServices, freePort, HOST };
