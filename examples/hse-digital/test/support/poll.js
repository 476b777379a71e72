'use strict';

/** Calls `probe` until it returns something truthy; throws with `what` at the deadline. */
async function poll(probe, { what, timeoutMs = 30_000, everyMs = 50 } = {}) {
  const deadline = Date.now() + timeoutMs;
  let lastError;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`timed out waiting for ${typeof what === 'function' ? what() : what}`, { cause: lastError });
    }
    await new Promise((resolve) => { setTimeout(resolve, everyMs); });
  }
}

module.exports = { poll };
