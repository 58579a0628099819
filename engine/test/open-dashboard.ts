// The dashboard as a person has it open in chromium, and what went wrong in it.
import type { Browser, Page } from 'playwright-core';
import { buildDashboard } from '../../scripts/build-dashboard.ts';
import { openBrowser } from './page-check.ts';
import { until, type Stage } from './stage.ts';

/** The page as a person has it open, by the link of `crossfade dashboard`. */
export class OpenDashboard {
  readonly troubles: string[] = [];
  readonly page: Page;
  readonly #browser: Browser;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.page = page;
    page.on('pageerror', (error) => void this.troubles.push(error.message));
    page.on('console', (line) => {
      // A refusal that the page shows is in chromium's console as well.
      if (line.type() === 'error' && !/ 409 /.test(line.text())) this.troubles.push(line.text());
    });
  }

  static async open(stage: Stage): Promise<OpenDashboard> {
    await buildDashboard();
    const link = await stage.must('dashboard');
    const browser = await openBrowser();
    const seen = new OpenDashboard(browser, await browser.newPage());
    await seen.page.goto(/http:\/\/\S+/.exec(link.stdout + link.stderr)![0]);
    await seen.shows('#sentence', /./);
    return seen;
  }

  /** Resolves when the text of a place is as wanted. */
  readonly shows = async (selector: string, text: RegExp): Promise<void> => {
    let last: string | null = null;
    try {
      await until(async () => {
        const place = this.page.locator(selector).first();
        last = (await place.count()) === 0 ? null : await place.textContent();
        return text.test(last ?? '') ? true : undefined;
      });
    } catch (cause) {
      throw new Error(`${selector} does not show ${text}, but ${last}`, { cause });
    }
  };

  async panel(id: string): Promise<void> {
    await this.page.locator(`nav a[href="#/${id}"]`).click();
  }

  /** By keyboard alone: opens a dialog, fills it in, waits for the dry run and confirms. */
  async act(label: string, confirm: string, fill?: () => Promise<void>): Promise<void> {
    const { page } = this;
    await page.getByRole('button', { name: label, exact: true }).focus();
    await page.keyboard.press('Enter');
    await fill?.();
    const button = page.locator('#confirm', { hasText: confirm });
    await until(async () => ((await button.isEnabled()) ? true : undefined)).catch(async (cause) => {
      const said = await page.locator('#dialog').textContent();
      throw new Error(`"${confirm}" cannot be pressed: ${said}`, { cause });
    });
    await button.focus();
    await page.keyboard.press('Enter');
    await until(async () => ((await page.locator('#dialog').count()) === 0 ? true : undefined));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
