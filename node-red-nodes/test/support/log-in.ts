import type { Page } from 'playwright-core';

/** Types the password that `apis up` has printed into the form, as a person does. */
export async function logIn(page: Page, password: string): Promise<void> {
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}
