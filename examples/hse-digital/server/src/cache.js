'use strict';

const { createClient } = require('redis');
const { withTimeout } = require('./lib/async');

const COMMAND_TIMEOUT_MS = 500;
const HEALTH_TIMEOUT_MS = 2000;
const RECONNECT_MAX_MS = 3000;
const LIST_TTL_SECONDS = 15;
const LOGIN_WINDOW_SECONDS = 60;

/**
 * Redis: cached incident lists, used refresh tokens and failed logins. Lists
 * and login counters are best effort, an unreachable Redis only makes them slower
 * or laxer; refresh tokens need it.
 */
class Cache {
  constructor(config, { logger }) {
    this.logger = logger;
    this.closed = false;
    this.reportedDown = false;
    this.client = createClient({
      password: config.password,
      disableOfflineQueue: true,
      commandsQueueMaxLength: 1000,
      socket: {
        host: config.host,
        port: config.port,
        connectTimeout: 3000,
        reconnectStrategy: (retries) => (this.closed ? false : Math.min(100 * 2 ** Math.min(retries, 5), RECONNECT_MAX_MS)),
      },
    });
    this.client.on('error', (error) => {
      if (this.reportedDown || this.closed) return;
      this.reportedDown = true;
      logger.warn('Redis connection lost, reconnecting', { error: error.message || error.code });
    });
    this.client.on('ready', () => {
      this.reportedDown = false;
      logger.info('Redis ready');
    });
  }

  /** Connects in the background and retries without a limit. */
  start() {
    this.client.connect().catch((error) => {
      if (!this.closed) this.logger.error('Redis client gave up', { error: error.message });
    });
  }

  async ping() {
    await withTimeout(this.client.ping(), HEALTH_TIMEOUT_MS, 'redis');
  }

  async close() {
    this.closed = true;
    if (!this.client.isOpen) return;
    if (this.client.isReady) {
      try {
        await withTimeout(this.client.close(), HEALTH_TIMEOUT_MS, 'redis');
        return;
      } catch {
        // No response: close the connection below.
      }
    }
    if (this.client.isOpen) this.client.destroy();
  }

  #command(promise) {
    return withTimeout(promise, COMMAND_TIMEOUT_MS, 'redis');
  }

  async #bestEffort(what, action) {
    try {
      return await action();
    } catch (error) {
      this.logger.debug('Redis command failed', { what, error: error.message });
      return undefined;
    }
  }

  // -- incident lists ------------------------------------------------------
  // A list is stored under a version that every write increments: a slow reader
  // can only store an outdated list under an outdated key.

  /** Returns the cached list, or loads and stores it; hit shows which. */
  async incidents(tenant, load) {
    const key = await this.#bestEffort('version', async () => {
      const version = await this.#command(this.client.get(`hse:incidents:${tenant}:version`));
      return `hse:incidents:${tenant}:list:${version ?? 0}`;
    });
    if (key === undefined) return { hit: false, list: await load() };

    const cached = await this.#bestEffort('get', () => this.#command(this.client.get(key)));
    if (cached) return { hit: true, list: JSON.parse(cached) };

    const list = await load();
    await this.#bestEffort('set', () => this.#command(
      this.client.set(key, JSON.stringify(list), { expiration: { type: 'EX', value: LIST_TTL_SECONDS } }),
    ));
    return { hit: false, list };
  }

  async forgetIncidents(tenant) {
    await this.#bestEffort('incr', () => this.#command(this.client.incr(`hse:incidents:${tenant}:version`)));
  }

  // -- authentication ------------------------------------------------------

  /** True exactly once for each refresh token; throws when Redis does not answer. */
  async useRefreshToken(id, ttlSeconds) {
    const answer = await this.#command(this.client.set(`hse:refresh:${id}`, '1', {
      condition: 'NX', expiration: { type: 'EX', value: Math.max(1, ttlSeconds) },
    }));
    return answer === 'OK';
  }

  async failedLogins(key) {
    const count = await this.#bestEffort('get', () => this.#command(this.client.get(`hse:login:${key}`)));
    return Number(count ?? 0);
  }

  async addFailedLogin(key) {
    await this.#bestEffort('incr', () => this.#command(
      this.client.multi().incr(`hse:login:${key}`).expire(`hse:login:${key}`, LOGIN_WINDOW_SECONDS, 'NX').exec(),
    ));
  }
}

module.exports = { Cache };
