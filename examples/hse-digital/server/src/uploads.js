'use strict';

const fsp = require('node:fs/promises');
const path = require('node:path');
const { randomUUID, createHash } = require('node:crypto');
const { moveFile, temporaryName } = require('./lib/files');

const DISCARD_TIMEOUT_MS = 5000;
const EXTENSIONS = {
  'application/pdf': '.pdf',
  'image/jpeg': '.jpg',
  'image/png': '.png',
  'text/csv': '.csv',
  'text/plain': '.txt',
};

class UploadError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
    this.expose = true;
  }
}

/**
 * Reads and discards the rest, so that a client that is still sending can
 * read the response instead of a connection reset. Bounded in bytes and time;
 * returns whether the request ended.
 */
function discard(req, maxBytes) {
  return new Promise((resolve) => {
    let bytes = 0;
    const finish = (ended) => {
      clearTimeout(timer);
      req.off('data', onData).off('end', onEnd).off('close', onClose);
      resolve(ended);
    };
    const onData = (chunk) => {
      bytes += chunk.length;
      if (bytes > maxBytes) finish(false);
    };
    const onEnd = () => finish(true);
    const onClose = () => finish(req.readableEnded);
    const timer = setTimeout(() => finish(false), DISCARD_TIMEOUT_MS);
    if (req.readableEnded || req.destroyed) {
      finish(req.readableEnded);
      return;
    }
    req.on('data', onData).on('end', onEnd).on('close', onClose);
    req.resume();
  });
}

/** Stores the raw request body under a name chosen here; returns its description. */
async function receiveUpload(req, { uploadDir, tmpDir, maxBytes }) {
  const type = (req.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  if (type.startsWith('multipart/')) {
    throw new UploadError(415, 'send the file itself as the request body, not a form');
  }
  const declared = Number(req.headers['content-length'] ?? 0);
  if (declared > maxBytes) throw new UploadError(413, `upload exceeds ${maxBytes} bytes`);

  const temporary = temporaryName(tmpDir);
  const name = `${randomUUID()}${EXTENSIONS[type] ?? '.bin'}`;
  try {
    const { size, sha256 } = await writeBody(req, temporary, maxBytes);
    if (size === 0) throw new UploadError(400, 'the request body is empty');
    await moveFile(temporary, path.join(uploadDir, name));
    return { name, size, sha256, url: `/uploads/${name}` };
  } catch (error) {
    await fsp.rm(temporary, { force: true });
    if (error.code === 'ENOSPC' || error.code === 'EDQUOT') throw new UploadError(507, 'no space left for uploads');
    throw error;
  }
}

async function writeBody(req, destination, maxBytes) {
  const file = await fsp.open(destination, 'wx', 0o640);
  try {
    const hash = createHash('sha256');
    let size = 0;
    // The request continues after a failure here: the response must still be sent.
    for await (const chunk of req.iterator({ destroyOnReturn: false })) {
      size += chunk.length;
      if (size > maxBytes) throw new UploadError(413, `upload exceeds ${maxBytes} bytes`);
      hash.update(chunk);
      await file.appendFile(chunk);
    }
    return { size, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

module.exports = { receiveUpload, discard, UploadError };
