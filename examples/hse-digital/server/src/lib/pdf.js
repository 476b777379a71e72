'use strict';

const PAGE = { width: 595, height: 842, margin: 56, lineHeight: 16 };
const MAX_LINES = Math.floor((PAGE.height - 2 * PAGE.margin) / PAGE.lineHeight);

/** A PDF string literal: printable ASCII, with \ ( ) escaped. */
function literal(text) {
  const ascii = String(text).replace(/[^\x20-\x7e]/g, '?');
  return `(${ascii.replace(/[\\()]/g, '\\$&')})`;
}

/** Writes the smallest useful PDF: one A4 page of Helvetica text. */
function createPdf(lines) {
  const content = [
    'BT',
    '/F1 11 Tf',
    `${PAGE.lineHeight} TL`,
    `${PAGE.margin} ${PAGE.height - PAGE.margin} Td`,
    ...lines.slice(0, MAX_LINES).map((line) => `${literal(line)} Tj T*`),
    'ET',
  ].join('\n');

  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${PAGE.width} ${PAGE.height}] `
      + '/Resources << /Font << /F1 5 0 R >> >> /Contents 4 0 R >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];

  let out = '%PDF-1.4\n';
  const offsets = objects.map((object, index) => {
    const offset = out.length;
    out += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const xref = out.length;
  out += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n`;
  for (const offset of offsets) out += `${String(offset).padStart(10, '0')} 00000 n \n`;
  out += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${xref}\n%%EOF\n`;
  return Buffer.from(out, 'latin1');
}

module.exports = { createPdf };
