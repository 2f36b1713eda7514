// The address of a video or audio file expires after a while, for example during a long pause. Then this
// module loads it again and continues at the same position.

const { MEDIA_ERR_NETWORK, MEDIA_ERR_SRC_NOT_SUPPORTED } = MediaError;
// An earlier failure has another reason.
const LEAST_MS = 2000;

const loadedAt = new WeakMap();

function onLoaded({ target }) {
  if (target instanceof HTMLMediaElement) loadedAt.set(target, Date.now());
}

function onError({ target: media }) {
  if (!(media instanceof HTMLMediaElement)) return;
  const code = media.error?.code;
  const isGone = code === MEDIA_ERR_NETWORK || code === MEDIA_ERR_SRC_NOT_SUPPORTED;
  const since = Date.now() - (loadedAt.get(media) ?? Infinity);
  if (!isGone || since < LEAST_MS || !loadedAt.delete(media)) return;
  const { currentTime, paused } = media;
  const goOn = () => {
    media.currentTime = currentTime;
    if (!paused) media.play().catch(() => {});
  };
  media.addEventListener("loadedmetadata", goOn, { once: true });
  media.load();
}

document.addEventListener("loadedmetadata", onLoaded, true);
document.addEventListener("error", onError, true);
