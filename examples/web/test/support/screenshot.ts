// The pictures of the documentation: written only when they are asked for, with UPDATE_SCREENSHOTS=1.
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

const LARGEST = 200_000;

export async function screenshot(page: Page, name: string) {
  if (process.env.UPDATE_SCREENSHOTS !== '1') return;
  const path = fileURLToPath(new URL(`../../../../docs/images/${name}.png`, import.meta.url));
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
  const { size } = await stat(path);
  if (size > LARGEST) throw new Error(`${path} has ${size} bytes, more than ${LARGEST}`);
}
