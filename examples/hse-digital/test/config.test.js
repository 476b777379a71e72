'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { loadConfig, ConfigError } = require('../server/src/config');
const { ENTRY } = require('./support/application');

const SECRETS = { JWT_SECRET: 'access-secret-0123', REFRESH_SECRET: 'refresh-secret-0123' };
let dir;

before(() => { dir = fs.mkdtempSync(path.join(os.tmpdir(), 'hse-config-')); });
after(() => fs.rmSync(dir, { recursive: true, force: true }));

function problemsOf(env) {
  try {
    loadConfig(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return assert.fail('the configuration was accepted');
}

function start(env) {
  return spawnSync(process.execPath, [ENTRY], { env: { PATH: process.env.PATH, ...env }, encoding: 'utf8', timeout: 30_000 });
}

test('refuses to start without secrets: exit code 1 and one line that names both', () => {
  const { status, stdout, stderr } = start({});
  assert.equal(status, 1);
  assert.equal(stdout, '');
  assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
  assert.match(stderr, /JWT_SECRET is missing/);
  assert.match(stderr, /REFRESH_SECRET is missing/);
});

test('refuses short secrets and never prints a value', () => {
  const { status, stdout, stderr } = start({ JWT_SECRET: 'hunter2hunter2x', REFRESH_SECRET: 'sw0rdfish', PORT: 'p4ssw0rd' });
  assert.equal(status, 1);
  assert.match(stderr, /JWT_SECRET is too short/);
  assert.match(stderr, /REFRESH_SECRET is too short/);
  assert.match(stderr, /PORT must be an integer/);
  assert.doesNotMatch(stdout + stderr, /hunter2|sw0rdfish|p4ssw0rd/);
});

test('accepts secrets of the minimum length and has the documented defaults', () => {
  const config = loadConfig({ JWT_SECRET: 'x'.repeat(16), REFRESH_SECRET: 'y'.repeat(16) });
  assert.equal(config.port, 3001);
  assert.equal(config.host, '0.0.0.0');
  assert.deepEqual([config.database.host, config.database.port, config.database.name, config.database.user], ['postgres', 5432, 'hse', 'hse']);
  assert.deepEqual([config.redis.host, config.redis.port, config.redis.password], ['redis', 6379, undefined]);
  assert.deepEqual(config.paths, {
    uploads: '/app/server/public/uploads', reports: '/app/server/public/reports', logs: '/app/logs', tmp: '/tmp/app',
  });
  assert.equal(config.report.intervalMs, 300_000);
  assert.equal(config.shutdown.timeoutMs, 25_000);
});

test('reads secrets from files and trims them', () => {
  const env = {};
  for (const name of ['JWT_SECRET', 'REFRESH_SECRET', 'DATABASE_PASSWORD', 'REDIS_PASSWORD']) {
    env[`${name}_FILE`] = path.join(dir, name);
    fs.writeFileSync(env[`${name}_FILE`], `  ${name}-value-0123456789\n`);
  }
  const config = loadConfig(env);
  assert.equal(config.auth.accessSecret, 'JWT_SECRET-value-0123456789');
  assert.equal(config.auth.refreshSecret, 'REFRESH_SECRET-value-0123456789');
  assert.equal(config.database.password, 'DATABASE_PASSWORD-value-0123456789');
  assert.equal(config.redis.password, 'REDIS_PASSWORD-value-0123456789');
});

test('names unreadable and empty secret files and ambiguous settings', () => {
  const empty = path.join(dir, 'empty');
  fs.writeFileSync(empty, '\n');
  const message = problemsOf({
    JWT_SECRET_FILE: path.join(dir, 'absent'), REFRESH_SECRET_FILE: empty, REDIS_PASSWORD: 'a', REDIS_PASSWORD_FILE: empty,
  });
  assert.match(message, /JWT_SECRET_FILE cannot be read \(ENOENT\)/);
  assert.match(message, /REFRESH_SECRET_FILE names an empty file/);
  assert.match(message, /REDIS_PASSWORD and REDIS_PASSWORD_FILE are both set/);
});

test('treats an empty variable as unset', () => {
  assert.equal(loadConfig({ ...SECRETS, PORT: '', REDIS_PASSWORD: '' }).port, 3001);
  assert.match(problemsOf({ ...SECRETS, JWT_SECRET: '' }), /JWT_SECRET is missing/);
});
