// What works before the database is open: links of the page itself change its state instead of loading it again.
import { go, stateOf } from './state.ts';

addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  const link = event.target instanceof Element ? event.target.closest<HTMLAnchorElement>('a[data-go]') : null;
  if (!link) return;
  event.preventDefault();
  const { reading, ...rest } = stateOf(link.href);
  go({ ...rest, reading });
});
