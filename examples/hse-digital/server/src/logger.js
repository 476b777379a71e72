'use strict';

const fs = require('node:fs');
const path = require('node:path');

const LEVELS = { debug: 10, info: 20, warn: 30, error: 40 };
const FLUSH_INTERVAL_MS = 200;
const FLUSH_THRESHOLD_BYTES = 64 * 1024;
const REOPEN_AFTER_MS = 30_000;

/** One log entry is always one line, whatever text a client sends. */
function oneLine(value) {
  return String(value)
    .replace(/\r?\n/g, '\\n')
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u001f\u007f\u0085\u2028\u2029]/g, '?');
}

function formatFields(fields) {
  let out = '';
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = oneLine(value);
    out += ` ${key}=${text === '' || /[\s"=]/.test(text) ? JSON.stringify(text) : text}`;
  }
  return out;
}

/**
 * Appends to <dir>/app.log and rotates it by size: app.log.1 is the newest of
 * the `keep` old files. Lines are collected and written in batches. When the
 * file cannot be written, the application continues with stdout only and
 * retries from time to time.
 */
class RotatingFile {
  constructor({ dir, name = 'app.log', maxBytes, keep, onError = () => {} }) {
    this.file = path.join(dir, name);
    this.maxBytes = maxBytes;
    this.keep = keep;
    this.onError = onError;
    this.fd = null;
    this.size = 0;
    this.pending = [];
    this.pendingBytes = 0;
    this.timer = null;
    this.retryAt = 0;
  }

  write(line) {
    if (this.fd === null && Date.now() < this.retryAt) return;
    const chunk = Buffer.from(line);
    this.pending.push(chunk);
    this.pendingBytes += chunk.length;
    if (this.pendingBytes >= FLUSH_THRESHOLD_BYTES) {
      this.flush();
    } else if (this.timer === null) {
      this.timer = setTimeout(() => this.flush(), FLUSH_INTERVAL_MS);
      this.timer.unref();
    }
  }

  flush() {
    clearTimeout(this.timer);
    this.timer = null;
    if (this.pending.length === 0) return;
    const lines = this.pending;
    this.pending = [];
    this.pendingBytes = 0;
    try {
      this.#open();
      let batch = [];
      let batchBytes = 0;
      const writeBatch = () => {
        if (batchBytes > 0) this.#append(Buffer.concat(batch, batchBytes));
        batch = [];
        batchBytes = 0;
      };
      for (const line of lines) {
        const total = this.size + batchBytes;
        if (total > 0 && total + line.length > this.maxBytes) {
          writeBatch();
          this.#rotate();
        }
        batch.push(line);
        batchBytes += line.length;
      }
      writeBatch();
    } catch (error) {
      this.#closeQuietly();
      this.retryAt = Date.now() + REOPEN_AFTER_MS;
      this.onError(error);
    }
  }

  close() {
    this.flush();
    this.#closeQuietly();
  }

  #open() {
    if (this.fd !== null) return;
    fs.mkdirSync(path.dirname(this.file), { recursive: true });
    this.fd = fs.openSync(this.file, 'a', 0o640);
    this.size = fs.fstatSync(this.fd).size;
  }

  #append(buffer) {
    let offset = 0;
    while (offset < buffer.length) {
      const written = fs.writeSync(this.fd, buffer, offset);
      offset += written;
      this.size += written;
    }
  }

  #rotate() {
    this.#closeQuietly();
    for (let n = this.keep - 1; n >= 0; n -= 1) {
      const from = n === 0 ? this.file : `${this.file}.${n}`;
      try {
        fs.renameSync(from, `${this.file}.${n + 1}`);
      } catch (error) {
        if (error.code !== 'ENOENT') throw error;
      }
    }
    this.#open();
  }

  #closeQuietly() {
    if (this.fd === null) return;
    try {
      fs.closeSync(this.fd);
    } catch {
      // Ignore a failing close.
    }
    this.fd = null;
  }
}

/** Plain lines, "timestamp LEVEL message key=value", on stdout and in the file. */
function createLogger({ level = 'info', dir, maxBytes, keep, stdout = process.stdout } = {}) {
  const threshold = LEVELS[level];
  const render = (severity, message, fields) =>
    `${new Date().toISOString()} ${severity.toUpperCase().padEnd(5)} ${oneLine(message)}${formatFields(fields)}\n`;

  // A closed pipe must not crash the application.
  stdout.on('error', () => {});

  const file = dir
    ? new RotatingFile({
      dir,
      maxBytes,
      keep,
      // Only to stdout, because writing to the file failed.
      onError: (error) => stdout.write(render('warn', 'Log file is not writable, logging to stdout only', { error: error.message })),
    })
    : null;

  function emit(severity, message, fields = {}) {
    if (LEVELS[severity] < threshold) return;
    const line = render(severity, message, fields);
    stdout.write(line);
    if (file) file.write(line);
  }

  return {
    debug: (message, fields) => emit('debug', message, fields),
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
    close: () => file && file.close(),
  };
}

module.exports = { createLogger, RotatingFile };
