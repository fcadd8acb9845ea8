// Only with the local CometChat: a switch that takes it down, to see what the page does then.
import { isReachable, setReachable } from './cometchat-local';
import { element } from './dom';

export async function startPlayground() {
  const toggle = element('reachable', HTMLInputElement);
  element('playground', HTMLElement).hidden = false;
  toggle.addEventListener('change', () => setReachable(toggle.checked));
  toggle.checked = await isReachable();
}
