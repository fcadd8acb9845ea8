// The page as such: on a phone, in the dark, by keyboard, and for a screen reader.
import { describe, expect, inject, test } from 'vitest';
import { chatSays, signUp, visit, type Visitor } from './support/visitor.ts';

const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

/** How far the page is wider than the window, in pixels. */
const overflow = ({ page }: Visitor) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Controls that a screen reader would have no name for, or that a thumb would miss. */
const badControls = ({ page }: Visitor) =>
  page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('button, input')]
      .filter((control) => control.offsetParent !== null)
      .filter((control) => {
        const label = control.closest('label');
        const name = label?.textContent?.trim() || control.getAttribute('aria-label') || control.textContent?.trim();
        return !name || (label ?? control).getBoundingClientRect().height < 24;
      })
      .map((control) => control.outerHTML),
  );

/** WCAG's contrast of a visible text with what is behind it, where that is one plain colour. */
const faintTexts = ({ page }: Visitor) =>
  page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })!;
    const pixel = (...colours: string[]) => {
      canvas.clearRect(0, 0, 1, 1);
      for (const colour of colours) {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
      }
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (rgb: number[]) => {
      const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const faint: string[] = [];
    for (const element of document.querySelectorAll<HTMLElement>('body *')) {
      const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent!.trim());
      if (!text || element.offsetParent === null) continue;
      const behind: string[] = [];
      let painted = false;
      for (let at: HTMLElement | null = element; at; at = at.parentElement) {
        const style = getComputedStyle(at);
        painted ||= style.backgroundImage !== 'none';
        behind.unshift(style.backgroundColor);
      }
      if (painted) continue;
      const back = luminance(pixel(...behind));
      const front = luminance(pixel(...behind, getComputedStyle(element).color));
      const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
      if (contrast < 4.5) faint.push(`${element.textContent!.trim()}: ${contrast.toFixed(2)}`);
    }
    return faint;
  });

describe('On a phone', () => {
  test('nothing is wider than the screen, and everything has a name and room for a thumb', async () => {
    const visitor = await visit(PHONE);
    await visitor.page.getByRole('form', { name: 'Sign up' }).waitFor();
    expect(await overflow(visitor)).toBe(0);
    expect(await badControls(visitor)).toEqual([]);
    await signUp(visitor, 'Somebody With A Rather Long Name Who Wants To See Whether It Still Fits On The Small Screen');
    await chatSays(visitor, 'You can chat');
    expect(await overflow(visitor)).toBe(0);
    expect(await badControls(visitor)).toEqual([]);
  });
});

describe.each(['light', 'dark'] as const)('In the %s', (colorScheme) => {
  test('all text can be read', async () => {
    const visitor = await visit({ colorScheme });
    await visitor.page.getByRole('form', { name: 'Sign up' }).waitFor();
    expect(await faintTexts(visitor)).toEqual([]);
    await signUp(visitor, 'Night Owl');
    await chatSays(visitor, 'You can chat');
    expect(await faintTexts(visitor)).toEqual([]);
  });
});

describe('By keyboard alone', () => {
  test('somebody signs up', async () => {
    const { page, ...visitor } = await visit();
    await page.getByRole('textbox', { name: 'Name' }).focus();
    for (const words of ['Key Board', visitor.email, visitor.password]) {
      await page.keyboard.type(words);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await chatSays({ page, ...visitor }, 'You can chat');
  });
});

describe('Set up for no CometChat at all', () => {
  test('the page says which settings it lacks, instead of asking a local one that is not there', async () => {
    const { page, forgiven } = await visit({}, inject('addresses').noAppPage);
    await page.getByText('Set VITE_COMETCHAT_APP_ID and VITE_COMETCHAT_REGION').waitFor();
    forgiven.push(/Set VITE_COMETCHAT_APP_ID/);
  });
});

describe('In a browser whose storage is full', () => {
  test('a sign-up that fails half-way says so, and can be sent again', async () => {
    const visitor = await visit();
    await visitor.page.evaluate(() => {
      Storage.prototype.setItem = () => {
        throw new Error('the storage is full');
      };
    });
    await signUp(visitor, 'Full House');
    await visitor.page.getByRole('alert').filter({ hasText: 'Something unexpected happened' }).waitFor();
    expect(await visitor.page.getByRole('button', { name: 'Create account' }).isEnabled()).toBe(true);
    visitor.forgiven.push(/the storage is full/);
  });
});

describe('A name that is markup', () => {
  test('is shown as it was typed, and does nothing', async () => {
    const visitor = await visit();
    const name = '<img src=x onerror="document.title=1">';
    await signUp(visitor, name);
    await chatSays(visitor, 'You can chat');
    await visitor.page.getByRole('heading', { name: `Hello, ${name}` }).waitFor();
    expect(await visitor.page.title()).toBe('Sign up, and chat is ready');
  });
});
