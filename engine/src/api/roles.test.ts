// The whole table of roles and actions, so that a change of who may do what is seen in a review.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { actions, isAction, mayDo, roles, type Action } from './roles.ts';

const allowed: Record<string, readonly string[]> = {
  viewer: ['read'],
  operator: [
    ...[
      'logs',
      'deploy',
      'releases',
      'promote',
      'pause',
      'resume',
      'abort',
      'retry',
      'rollback',
      'ack',
      'flags',
      'incident',
      'maintenance',
      'subscribers',
    ],
    ...['route', 'lock', 'unlock', 'adopt', 'healing', 'drill', 'probe', 'notify', 'validations', 'boards'],
  ],
  approver: ['approve', 'freeze', 'unfreeze', 'audit', 'signoff'],
  admin: ['tokens', 'shutdown', 'break-lock', 'apply'],
};

test('each role may do its own and what lies below it, and nothing else', () => {
  let below: readonly string[] = [];
  for (const role of roles) {
    below = [...below, ...allowed[role]!];
    assert.deepEqual(
      new Set(actions.filter((action) => mayDo(role, undefined, action))),
      new Set(below),
      role,
    );
  }
  assert.equal(below.length, actions.length, 'every action is somebody’s');
});

test('a scope narrows a role, never widens it, and leaves looking', () => {
  const may = (role: (typeof roles)[number], scope: readonly Action[]) =>
    actions.filter((action) => mayDo(role, scope, action));
  assert.deepEqual(may('operator', ['rollback', 'tokens']), ['read', 'rollback']);
  assert.deepEqual(may('admin', []), ['read']);
  assert.deepEqual(may('viewer', ['rollback']), ['read']);
});

test('what every object has is no action', () => {
  assert.ok(!isAction('constructor'));
  assert.ok(!isAction('__proto__'));
  assert.ok(isAction('rollback'));
});
