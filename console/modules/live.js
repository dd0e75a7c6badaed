// One stream per page that asks for it. The server says only that something changed; parts of the page that listen for
// "findings" fetch themselves again. Streams rest while the page is hidden, and catch up when it is seen again.
const SLOWEST = 60_000;

export function live() {
  const place = document.querySelector("[data-live]");
  if (!place || !globalThis.EventSource) return;
  let stream = null;
  let wait = 1_000;
  let timer = 0;
  let last = place.dataset.live;

  const say = (state) => {
    document.documentElement.dataset.stream = state;
  };
  const stop = () => {
    clearTimeout(timer);
    stream?.close();
    stream = null;
  };
  const start = () => {
    stop();
    stream = new EventSource("/live");
    stream.addEventListener("findings", (event) => {
      wait = 1_000;
      say("on");
      if (event.data === last) return;
      last = event.data;
      document.body.dispatchEvent(new CustomEvent("findings"));
    });
    stream.addEventListener("end", () => {
      stop();
      timer = setTimeout(start, wait);
    });
    stream.addEventListener("error", () => {
      if (stream?.readyState !== EventSource.CLOSED) return;
      say("off");
      stop();
      timer = setTimeout(start, wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, SLOWEST);
    });
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && start());
  if (!document.hidden) start();
}
