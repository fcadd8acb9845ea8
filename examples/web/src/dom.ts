// The few lines that stand in for a framework.

/** The element with this id; it must be there and be of this kind. */
export function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

/** Shows the message and nothing else: for a page that was not set up. */
export function giveUp(message: string): never {
  document.body.textContent = message;
  throw new Error(message);
}

/** Sends a form with `send`: no reload, no second click meanwhile, what it answers is shown as an error. */
export function onSubmit(form: HTMLFormElement, send: (fields: Record<string, string>) => Promise<string | undefined>) {
  const button = form.querySelector<HTMLButtonElement>('button[type=submit]')!;
  const error = form.querySelector<HTMLElement>('[role=alert]')!;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    error.textContent = '';
    const fields = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    try {
      error.textContent = (await send(fields)) ?? '';
    } catch (failure) {
      error.textContent = 'Something unexpected happened. Please try again.';
      throw failure; // for the console
    } finally {
      button.disabled = false;
    }
  });
}
