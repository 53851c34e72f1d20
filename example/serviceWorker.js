// Keeps the app's own files on the device, so that it opens without a network. What they work on is none of its
// business: documents are in IndexedDB, and /api goes straight to the network.
// vite.config.ts fills in the two constants, so that every build is another worker with a cache of its own.
const version = "__VERSION__";
const files = ["__FILES__"];

const cacheName = `fieldbook ${version}`;

self.addEventListener("install", (event) => {
  const precache = async () => {
    const cache = await caches.open(cacheName);
    await cache.addAll(files.map((file) => new Request(file, { cache: "reload" })));
    await self.skipWaiting(); // an open page has all of its files; the next load gets the new ones
  };
  event.waitUntil(precache());
});

self.addEventListener("activate", (event) => {
  const clean = async () => {
    const names = await caches.keys();
    const stale = names.filter((name) => name.startsWith("fieldbook ") && name !== cacheName);
    await Promise.all(stale.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin || pathname.startsWith("/api")) return;
  const file = request.mode === "navigate" ? "/" : pathname;
  if (files.includes(file)) event.respondWith(fromCache(file, request));
});

async function fromCache(file, request) {
  const cache = await caches.open(cacheName);
  return (await cache.match(file)) ?? fetch(request);
}
