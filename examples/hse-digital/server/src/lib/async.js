'use strict';

class TimeoutError extends Error {
  constructor(what, ms) {
    super(`${what} did not answer within ${ms} ms`);
    this.name = 'TimeoutError';
    this.code = 'ETIMEDOUT';
  }
}

/** Settles like `promise`, or rejects after `ms`; never leaves a timer behind. */
function withTimeout(promise, ms, what) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new TimeoutError(what, ms)), ms);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** Sleeps for `ms`, or until `signal` aborts; does not throw. */
function sleep(ms, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

module.exports = { withTimeout, sleep, TimeoutError };
