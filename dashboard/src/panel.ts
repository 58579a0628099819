// What a panel is: one file in panels/ that exports `panel`. It is found by its place, so that adding one
// changes nothing else.
/// <reference types="vite/client" />
import type { ComponentChild } from 'preact';
import type { Action } from '../../engine/src/api/roles.ts';

export type Panel = {
  /** In the address, after `#/`. */
  readonly id: string;
  readonly title: string;
  /** Panels stand in this order. */
  readonly order: number;
  /** Shown to those who may do this. */
  readonly needs?: Action;
  readonly View: () => ComponentChild;
};

const found = import.meta.glob<{ panel: Panel }>('./panels/*.tsx', { eager: true });

export const panels: readonly Panel[] = Object.values(found)
  .map((each) => each.panel)
  .sort((a, b) => a.order - b.order);
