// On a phone the sidebar lies over the page: it is folded once something in it was gone to.

const NARROW = matchMedia("(max-width: 768px)")
const WAYS = [
  '[data-testid="stPageLink"] a',
  'a[href="/signout"]',
  ".st-key-new button",
  '[class*="st-key-open-"] button',
  '[class*="st-key-found-"] button',
]
const FOLD = '[data-testid="stSidebar"][data-collapsed="false"] [data-testid="stSidebarCollapseButton"] button'

function follow(event) {
  const way = event.target.closest(WAYS.join())
  if (NARROW.matches && way?.closest('[data-testid="stSidebar"]')) {
    // Afterwards: what was clicked is to have the click first.
    setTimeout(() => document.querySelector(FOLD)?.click())
  }
}

export default () => {
  document.addEventListener("click", follow)
  return () => document.removeEventListener("click", follow)
}
