'use strict';

const fs = require('node:fs');
const path = require('node:path');

const MIN_SECRET_LENGTH = 16;
const APP_ROOT = path.resolve(__dirname, '..', '..');

class ConfigError extends Error {
  constructor(problems) {
    super(`Configuration error: ${problems.join('; ')}`);
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/**
 * Builds the configuration from the environment. Every problem is collected, so
 * that one start shows all of them. No message ever contains a value.
 */
function loadConfig(env = process.env) {
  const problems = [];

  // An empty variable is what Compose passes for `${NAME:-}`: treat it as unset.
  const raw = (name) => (env[name] === undefined || env[name] === '' ? undefined : env[name]);
  const text = (name, fallback) => raw(name) ?? fallback;

  function integer(name, fallback, min, max) {
    const value = raw(name);
    if (value === undefined) return fallback;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
    if (!(number >= min && number <= max)) {
      problems.push(`${name} must be an integer between ${min} and ${max}`);
      return fallback;
    }
    return number;
  }

  function flag(name, fallback) {
    const value = raw(name);
    if (value === undefined) return fallback;
    if (/^(1|true|yes|on)$/i.test(value)) return true;
    if (/^(0|false|no|off)$/i.test(value)) return false;
    problems.push(`${name} must be true or false`);
    return fallback;
  }

  function oneOf(name, fallback, allowed) {
    const value = text(name, fallback);
    if (allowed.includes(value)) return value;
    problems.push(`${name} must be one of ${allowed.join(', ')}`);
    return fallback;
  }

  function secret(name, { required = false, minLength = 0 } = {}) {
    const fileVariable = `${name}_FILE`;
    let value = raw(name);
    const file = raw(fileVariable);
    if (value !== undefined && file !== undefined) {
      problems.push(`${name} and ${fileVariable} are both set (use one)`);
      return undefined;
    }
    if (file !== undefined) {
      try {
        value = fs.readFileSync(file, 'utf8').trim();
      } catch (error) {
        problems.push(`${fileVariable} cannot be read (${error.code || 'error'})`);
        return undefined;
      }
      if (value === '') {
        problems.push(`${fileVariable} names an empty file`);
        return undefined;
      }
    }
    if (value === undefined) {
      if (required) problems.push(`${name} is missing (set ${name} or ${fileVariable})`);
      return undefined;
    }
    if (value.length < minLength) {
      problems.push(`${name} is too short (at least ${minLength} characters)`);
      return undefined;
    }
    return value;
  }

  const config = {
    host: '0.0.0.0',
    port: integer('PORT', 3001, 0, 65535),
    logLevel: oneOf('LOG_LEVEL', 'info', ['debug', 'info', 'warn', 'error']),
    requireAuth: flag('REQUIRE_AUTH', false),
    publicDir: path.join(APP_ROOT, 'server', 'public'),
    auth: {
      accessSecret: secret('JWT_SECRET', { required: true, minLength: MIN_SECRET_LENGTH }),
      refreshSecret: secret('REFRESH_SECRET', { required: true, minLength: MIN_SECRET_LENGTH }),
      accessTtlSeconds: integer('JWT_TTL_SECONDS', 900, 1, 86400),
      refreshTtlSeconds: integer('REFRESH_TTL_SECONDS', 604800, 1, 7776000),
    },
    admin: {
      email: text('ADMIN_EMAIL'),
      password: secret('ADMIN_PASSWORD', { minLength: 8 }),
      tenant: text('ADMIN_TENANT', 'default'),
    },
    database: {
      host: text('DATABASE_HOST', 'postgres'),
      port: integer('DATABASE_PORT', 5432, 1, 65535),
      name: text('DATABASE_NAME', 'hse'),
      user: text('DATABASE_USER', 'hse'),
      password: secret('DATABASE_PASSWORD'),
      poolSize: integer('DATABASE_POOL_SIZE', 10, 1, 100),
      startTimeoutMs: integer('DATABASE_START_TIMEOUT_SECONDS', 60, 1, 3600) * 1000,
    },
    redis: {
      host: text('REDIS_HOST', 'redis'),
      port: integer('REDIS_PORT', 6379, 1, 65535),
      password: secret('REDIS_PASSWORD'),
    },
    paths: {
      uploads: path.resolve(text('UPLOAD_DIR', '/app/server/public/uploads')),
      reports: path.resolve(text('REPORT_DIR', '/app/server/public/reports')),
      logs: path.resolve(text('LOG_DIR', '/app/logs')),
      tmp: path.resolve(text('TMP_DIR', '/tmp/app')),
    },
    log: {
      maxBytes: integer('LOG_MAX_BYTES', 5 * 1024 * 1024, 1024, 1024 ** 3),
      keep: integer('LOG_KEEP', 3, 1, 100),
    },
    uploadMaxBytes: integer('UPLOAD_MAX_BYTES', 10 * 1024 * 1024, 1, 1024 ** 3),
    report: {
      intervalMs: integer('REPORT_INTERVAL_SECONDS', 300, 1, 86400) * 1000,
      keep: integer('REPORT_KEEP', 24, 1, 10000),
    },
    shutdown: {
      timeoutMs: integer('SHUTDOWN_TIMEOUT_MS', 25000, 1, 3600000),
      drainDelayMs: integer('SHUTDOWN_DRAIN_DELAY_MS', 0, 0, 600000),
    },
  };

  if (config.admin.password !== undefined && config.admin.email === undefined) {
    problems.push('ADMIN_PASSWORD is set without ADMIN_EMAIL');
  }
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(config.admin.tenant)) {
    problems.push('ADMIN_TENANT must be lower-case letters, digits and dashes (at most 63)');
  }

  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

module.exports = { loadConfig, ConfigError, MIN_SECRET_LENGTH };
