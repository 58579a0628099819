// A page in chromium as people meet it: at 360 and 1440 px, light and dark; axe finds nothing, nothing
// scrolls sideways, no text is clipped. Screenshots go to the folder named by SCREENSHOTS, if there is one.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

const executablePath = '/usr/bin/chromium';
export const noBrowser = existsSync(executablePath) ? false : 'chromium is not installed';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const widths = [360, 1440] as const;
/** A wall. */
export const wallWidth = 3_840;
export const schemes = ['light', 'dark'] as const;

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox'] });
}

/** Throws what is wrong with the page as it is now, at these widths and in both schemes. */
export async function checkPage(page: Page, name: string, at: readonly number[] = widths): Promise<void> {
  for (const width of at) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of schemes) {
      await page.emulateMedia({ colorScheme });
      const where = `${name}-${width}-${colorScheme}`;
      await picture(page, where);
      assert.deepEqual(await sideways(page), [], `${where}: scrolls sideways or clips text`);
      assert.deepEqual(await axeFindings(page), [], where);
    }
  }
}

export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS'];
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** What reaches beyond the page, and text that is cut off in its box. */
function sideways(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const found = document.documentElement.scrollWidth > width ? ['the page'] : [];
    for (const element of document.body.querySelectorAll<HTMLElement>('*')) {
      const style = getComputedStyle(element);
      const isHidden =
        style.clipPath !== 'none' || style.visibility === 'hidden' || element.offsetParent === null;
      const clips = style.overflowX === 'hidden' || style.textOverflow === 'ellipsis';
      const holdsText = [...element.childNodes].some(
        (each) => each.nodeType === 3 && each.textContent!.trim() !== '',
      );
      if (!isHidden && clips && holdsText && element.scrollWidth > element.clientWidth + 1)
        found.push(`${element.tagName.toLowerCase()} "${element.textContent!.trim().slice(0, 40)}"`);
    }
    return found;
  });
}

type Finding = {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
};

/** WCAG 2.2 AA; in a world of its own, so that the page's content security policy does not forbid it. */
async function axeFindings(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const world = await session.send('Page.createIsolatedWorld', {
    frameId: frameTree.frame.id,
    worldName: 'axe',
  });
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const run = `${axeSource}; axe.run(document, { runOnly: ${JSON.stringify(tags)} }).then((found) => JSON.stringify(found.violations))`;
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression: run,
    contextId: world.executionContextId,
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
  const violations = JSON.parse(result.value as string) as Finding[];
  return violations.flatMap((each) =>
    each.nodes.map(
      ({ html, failureSummary }) => `${each.id}: ${html.slice(0, 120)}: ${failureSummary ?? ''}`,
    ),
  );
}
