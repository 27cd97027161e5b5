/** How wide an element is, as long as it is there. */
import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";

export function useWidth(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const shown = element.current;
    if (!shown) return undefined;
    setWidth(shown.clientWidth);
    let frame = 0;
    const observer = new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => setWidth(shown.clientWidth)); // at once, what is drawn could change it again
    });
    observer.observe(shown);
    return () => { cancelAnimationFrame(frame); observer.disconnect(); };
  }, [element]);
  return width;
}
