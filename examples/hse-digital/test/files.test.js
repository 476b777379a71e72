'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const fsp = require('node:fs/promises');
const os = require('node:os');
const path = require('node:path');
const { afterEach, beforeEach, test } = require('node:test');
const { moveFile, prepareDirectories } = require('../server/src/lib/files');
const { createPdf } = require('../server/src/lib/pdf');
const { RotatingFile, createLogger } = require('../server/src/logger');

let root;
let source;
let destination;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'hse-files-'));
  fs.mkdirSync(path.join(root, 'from'));
  fs.mkdirSync(path.join(root, 'to'));
  source = path.join(root, 'from', 'file');
  destination = path.join(root, 'to', 'file');
  fs.writeFileSync(source, 'content');
});
afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

/** node:fs/promises on a machine where every directory is a separate mount. */
const separateMounts = {
  ...fsp,
  async rename(from, to) {
    if (path.dirname(from) !== path.dirname(to)) {
      throw Object.assign(new Error('EXDEV: cross-device link not permitted'), { code: 'EXDEV' });
    }
    await fsp.rename(from, to);
  },
};

test('moveFile renames on one filesystem', async () => {
  const { ino } = fs.statSync(source);
  await moveFile(source, destination);
  assert.equal(fs.statSync(destination).ino, ino);
  assert.equal(fs.existsSync(source), false);
});

test('moveFile copies and unlinks across mounts', async () => {
  await moveFile(source, destination, separateMounts);
  assert.equal(fs.readFileSync(destination, 'utf8'), 'content');
  assert.deepEqual(fs.readdirSync(path.join(root, 'from')), []);
  assert.deepEqual(fs.readdirSync(path.join(root, 'to')), ['file']);
});

test('moveFile across mounts leaves nothing half-written when the copy fails', async () => {
  const full = {
    ...separateMounts,
    async copyFile(from, to) {
      await fsp.writeFile(to, 'cont');
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    },
  };
  await assert.rejects(moveFile(source, destination, full), { code: 'ENOSPC' });
  assert.deepEqual(fs.readdirSync(path.join(root, 'to')), []);
  assert.equal(fs.readFileSync(source, 'utf8'), 'content');
});

test('moveFile passes other errors on', async () => {
  await assert.rejects(moveFile(source, path.join(root, 'absent', 'file')), { code: 'ENOENT' });
});

const otherDevice = ['/dev/shm', '/run'].find((dir) => {
  try {
    fs.accessSync(dir, fs.constants.W_OK);
    return fs.statSync(dir).dev !== fs.statSync(os.tmpdir()).dev;
  } catch {
    return false;
  }
});

test('moveFile between two real filesystems', { skip: otherDevice ? false : 'no second writable filesystem here' }, async () => {
  const there = fs.mkdtempSync(path.join(otherDevice, 'hse-files-'));
  try {
    const target = path.join(there, 'file');
    await assert.rejects(fsp.rename(source, target), { code: 'EXDEV' });
    await moveFile(source, target);
    assert.equal(fs.readFileSync(target, 'utf8'), 'content');
    assert.equal(fs.existsSync(source), false);
    assert.deepEqual(fs.readdirSync(there), ['file']);
  } finally {
    fs.rmSync(there, { recursive: true, force: true });
  }
});

test('prepareDirectories creates, reports what is not writable and removes only stale leftovers', async () => {
  const dir = path.join(root, 'new', 'dir');
  assert.deepEqual(await prepareDirectories([dir]), []);

  const [old, young] = ['old.part', 'young.part'].map((name) => path.join(dir, name));
  for (const file of [old, young]) fs.writeFileSync(file, '');
  fs.utimesSync(old, 0, 0);
  const [problem] = await prepareDirectories([dir, source]);
  assert.equal(problem.dir, source);
  assert.deepEqual(fs.readdirSync(dir), ['young.part']);
});

test('createPdf writes a cross-reference table that points at its objects', () => {
  const pdf = createPdf(['plain', 'paren ( and \\', 'non-ascii \u00e9']).toString('latin1');
  assert.match(pdf, /^%PDF-1\.4\n/);
  assert.match(pdf, /%%EOF\n$/);
  assert.ok(pdf.includes('(paren \\( and \\\\) Tj'));
  const xref = Number(/startxref\n(\d+)/.exec(pdf)[1]);
  assert.ok(pdf.startsWith('xref\n', xref));
  const offsets = [...pdf.slice(xref).matchAll(/^(\d{10}) 00000 n /gm)].map((match) => Number(match[1]));
  assert.equal(offsets.length, 5);
  offsets.forEach((offset, index) => assert.ok(pdf.startsWith(`${index + 1} 0 obj\n`, offset)));
  const stream = /\/Length (\d+) >>\nstream\n([^]*?)\nendstream/.exec(pdf);
  assert.equal(stream[2].length, Number(stream[1]));
});

test('the log file is rotated by size and only so many are kept', () => {
  const dir = path.join(root, 'logs');
  const file = new RotatingFile({ dir, maxBytes: 100, keep: 3 });
  for (let n = 0; n < 60; n += 1) file.write(`line ${String(n).padStart(4, '0')}\n`);
  file.close();
  assert.deepEqual(fs.readdirSync(dir).sort(), ['app.log', 'app.log.1', 'app.log.2', 'app.log.3']);
  const kept = ['app.log.3', 'app.log.2', 'app.log.1', 'app.log'].map((name) => fs.readFileSync(path.join(dir, name), 'utf8'));
  for (const text of kept) assert.ok(text.length <= 100);
  const numbers = kept.join('').trim().split('\n').map((line) => Number(line.slice(5)));
  assert.deepEqual(numbers, numbers.map((_, index) => 60 - numbers.length + index), 'the newest lines, in order, without a gap');
});

test('logging continues on stdout when the file cannot be written; entries stay on one line', () => {
  const lines = [];
  const logger = createLogger({
    dir: source, // a file where a directory is needed
    maxBytes: 1000,
    keep: 3,
    stdout: { on() {}, write: (line) => lines.push(line) },
  });
  logger.info('first\nsecond', { path: 'a b\r\n' });
  logger.close();
  assert.match(lines[0], /^\S+Z INFO {2}first\\nsecond path="a b/);
  assert.equal(lines[0].indexOf('\n'), lines[0].length - 1);
  assert.match(lines[1], /WARN {2}Log file is not writable/);
});
