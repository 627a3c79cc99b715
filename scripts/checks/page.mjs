// page.mjs MODULES CHROMIUM SCREENSHOTS REPORT…: opens reports as their readers do and prints what is wrong. The first
// is looked at in every way, the others once in light and wide and once in dark and narrow.
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, executablePath, screenshots, ...reports] = process.argv.slice(2).map((path) => resolve(path));
const { chromium } = createRequire(join(modules, 'package.json'))('playwright-core');
const args = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

const problems = [];
const profile = mkdtempSync(join(screenshots, 'profile-')); // an empty one each time

// A context of its own per view, so that nothing a view sets is left for the next.
async function view(report, { width, colorScheme, javaScriptEnabled = true }) {
  const address = pathToFileURL(report).href;
  const name = `${basename(report, '.html')}-${javaScriptEnabled ? `${colorScheme}-${width}` : 'without-script'}`;
  const context = await chromium.launchPersistentContext(join(profile, name), {
    executablePath, args, colorScheme, javaScriptEnabled, viewport: { width, height: 900 }, headless: true,
  });
  const say = (words) => problems.push(`${name}: ${words}`);
  context.on('request', (request) => request.url() === address || request.url().startsWith('data:') || say(`requests ${request.url()}`));
  context.on('console', (message) => say(`console ${message.type()} "${message.text()}"`));
  context.on('weberror', (error) => say(`error "${error.error().message}"`));
  const page = context.pages()[0] ?? (await context.newPage());
  await page.goto(address, { waitUntil: 'load' });
  await page.waitForTimeout(500); // a request or an error that comes with a delay
  if (javaScriptEnabled) await look(page, say, report === reports[0]);
  const shown = await page.locator('h1').count();
  if (shown !== 1) say(`has ${shown} h1, expected one`);
  await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
  const colour = javaScriptEnabled ? await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor
    + getComputedStyle(document.body).backgroundColor) : '';
  await context.close();
  return colour;
}

async function look(page, say, measured) {
  const found = await page.evaluate(() => {
    const root = document.documentElement;
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    const unnamed = [...document.querySelectorAll('svg[role="img"]')].filter((svg) => !svg.querySelector('title'));
    return {
      overflow: root.scrollWidth - root.clientWidth,
      widest: [...document.querySelectorAll('body *')].filter((element) => {
        const scrolls = element.parentElement.closest('[role="region"], .scroll, [tabindex="0"]');
        return !scrolls && element.getBoundingClientRect().right > root.clientWidth + 1;
      }).map((element) => element.tagName.toLowerCase() + (element.className.baseVal ?? element.className)).slice(0, 3),
      charts: document.querySelectorAll('svg').length,
      tables: document.querySelectorAll('table').length,
      unnamed: unnamed.length,
      twice: ids.filter((id, at) => ids.indexOf(id) !== at),
      dangling: [...document.querySelectorAll('a[href^="#"]')].map((link) => link.getAttribute('href').slice(1))
        .filter((id) => id !== '' && !ids.includes(id)),
    };
  });
  if (found.overflow > 0) say(`scrolls sideways by ${found.overflow} px (${found.widest.join(', ')})`);
  if (measured && found.charts === 0) say('has no chart');
  if (found.tables === 0) say('has no table');
  if (found.twice.length > 0) say(`uses the id ${found.twice[0]} twice`);
  if (found.dangling.length > 0) say(`links to #${found.dangling[0]}, which is not there`);
  if (found.unnamed > 0) say(`${found.unnamed} charts have no title`);
}

const [first, ...others] = reports;
try {
  const colours = {};
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 390]) {
      colours[colorScheme] = await view(first, { width, colorScheme });
    }
  }
  if (colours.light === colours.dark) problems.push('dark has the colours of light');
  await view(first, { width: 1280, colorScheme: 'light', javaScriptEnabled: false });
  for (const report of others) {
    await view(report, { width: 1280, colorScheme: 'light' });
    await view(report, { width: 390, colorScheme: 'dark' });
  }
} finally {
  rmSync(profile, { recursive: true, force: true });
}
if (problems.length > 0) {
  console.log(problems.slice(0, 5).join('; ') + (problems.length > 5 ? `; and ${problems.length - 5} more` : ''));
  process.exit(1);
}
