// Few names for many paths, and nothing in them that looks like one person's.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pathShape } from './path-shape.ts';

test('identifiers and files named by a hash have one shape, words stay', () => {
  const shapes: Record<string, string> = {
    '/': '/',
    '/api/health?x=1': '/api/health',
    '/orders/4711/items/2': '/orders/:id/items/:id',
    '/u/0b6f2a4e-1d3c-4f5a-9b8c-7d6e5f4a3b2c': '/u/:id',
    '/files/deadbeefcafe': '/files/:id',
    '/people/ann@example.org/notes': '/people/:id/notes',
    '/assets/index-B3f9aK2x.js': '/assets/*.js',
    '/app.css': '/app.css',
    '/a/b/c/d/e/f/g/h': '/a/b/c/d/e/f/…',
  };
  for (const [path, shape] of Object.entries(shapes)) assert.equal(pathShape(path), shape);
});

test('a shape is short, has no query and is the same each time', () => {
  fc.assert(
    fc.property(fc.webPath(), fc.webQueryParameters(), (path, query) => {
      const shape = pathShape(`/${path}?${query}`);
      assert.ok(shape.length <= 80 && !shape.includes('?'));
      assert.equal(pathShape(`/${path}?other`), shape);
    }),
  );
});
