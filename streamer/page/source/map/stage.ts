/** The stage: the two canvases of the map, and the loop that draws a frame whenever something changed. */
import { type Bounds, type Camera, type Insets, type Point, type Size } from "./camera";
import { type Hands, listen } from "./gestures";
import { nearest } from "./grid";
import { drawInk } from "./ink";
import type { Box } from "./labels";
import { drawLettering } from "./lettering";
import { type Painter, adapted } from "./painter";
import { Pilot } from "./pilot";
import { createPlainPainter } from "./plain";
import { type Scene, pointOf } from "./scene";
import { createWebglPainter } from "./webgl";

/** What the stage says to whoever made it. */
export interface Audience {
  /** Another track is under the pointer, or in the middle for who uses the keyboard. */
  onPoint(row: number | null): void;
  onChoose(row: number | null): void;
  /** The camera came to rest. */
  onRest(camera: Camera, window: Size): void;
  /** A frame is about to be drawn, so many seconds after the last; whether another must follow. */
  onFrame(seconds: number): boolean;
}

/** Where the stage is drawn. */
export interface Boards {
  /** Is focused, and has both canvases in it. */
  readonly element: HTMLElement;
  readonly tracks: HTMLCanvasElement;
  readonly ink: HTMLCanvasElement;
  /** What panels cover of it now. */
  covered(): Insets;
  /** What floats above it now, in pixels of it. */
  floats(): readonly Box[];
}

const REACH = 16; // pixels around a pointer or a fingertip in which a track is found
const REST_MS = 160;
const STEADY_MS = 60; // of a movement, after which frames follow each other so closely that their length says something
const LONGEST_FRAME_MS = 250; // counted: after longer ones, as when the tab was hidden, little jumps
const MOST_PIXELS = 2.5; // device pixels for a pixel; more costs time and shows nothing
const UNDER_A_LISTENER = 0.45; // how strongly tracks are drawn below a listener's way

export class Stage {
  readonly #boards: Boards;
  readonly #audience: Audience;
  readonly #painter: Painter | null;
  readonly #pilot: Pilot;
  readonly #ends: (() => void)[] = [];
  #scene: Scene;
  #pixelRatio = 1;
  #lettered: ReadonlySet<string> = new Set();
  #frame = 0;
  #lastMs = 0;
  #restTimer = 0;
  #isStale = true; // whether the tracks must be painted again, not the ink alone
  #isMoving = false;
  #beganMs = 0; // when the movement did
  #share = 1; // of the tracks, drawn while the map moves
  #pointer: Point | null = null;

  constructor(boards: Boards, scene: Scene, audience: Audience) {
    [this.#boards, this.#scene, this.#audience] = [boards, scene, audience];
    this.#pilot = new Pilot(scene.bounds);
    this.#painter =
      createWebglPainter(boards.tracks, scene.layout, () => this.#repaint()) ??
      createPlainPainter(boards.tracks, scene.layout);
    this.#ends.push(listen(boards.element, this.#hands()));
    const sizes = new ResizeObserver(() => this.#resize());
    sizes.observe(boards.element);
    this.#ends.push(() => sizes.disconnect());
    for (const name of ["focus", "blur"]) this.#on(name, () => this.#pointByKey());
    this.#resize();
  }

  show(scene: Scene): void {
    const before = this.#scene;
    this.#scene = scene;
    const hasListener = (one: Scene) => one.wanderer !== null;
    if (scene.theme !== before.theme || scene.only !== before.only || hasListener(scene) !== hasListener(before)) {
      this.#repaint();
    }
    this.#request();
  }

  flyTo(row: number): void {
    this.#fly(() => this.#pilot.closeTo(pointOf(this.#scene.layout, row)));
  }

  flyAround(bounds: Bounds): void {
    this.#fly(() => this.#pilot.around(bounds));
  }

  flyOut(): void {
    this.#fly(() => this.#pilot.whole());
  }

  zoomBy(factor: number): void {
    this.#fly(() => this.#pilot.zoomed(this.#pilot.middle(), factor));
  }

  dispose(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#restTimer);
    for (const end of this.#ends) end();
    this.#painter?.dispose();
  }

  #hands(): Hands {
    const pilot = this.#pilot;
    return {
      pan: (dx, dy) => this.#move(pilot.panned(dx, dy)),
      zoom: (pixel, factor) => this.#move(pilot.zoomed(pixel, factor)),
      step: (pixel, factor) => this.#fly(() => pilot.zoomed(pixel ?? pilot.middle(), factor)),
      fitAll: () => this.flyOut(),
      point: (pixel) => {
        this.#pointer = pixel;
        this.#audience.onPoint(pixel === null ? null : this.#find(pixel));
      },
      choose: (pixel) => this.#audience.onChoose(this.#find(pixel ?? pilot.middle())),
      dismiss: () => this.#audience.onChoose(null),
      glide: (velocity) => {
        pilot.throw(isStill() ? [0, 0] : velocity);
        this.#request();
      },
    };
  }

  /** @param aim gives the camera that is wanted, beside what panels cover by now */
  #fly(aim: () => Camera): void {
    this.#pilot.cover(this.#boards.covered());
    const goal = aim();
    if (isStill()) return this.#move(goal);
    this.#pilot.fly(goal, performance.now());
    this.#request();
  }

  #move(camera: Camera): void {
    this.#pilot.move(camera);
    this.#moved();
  }

  /** The camera moved: paint, and see later whether it rests. */
  #moved(): void {
    if (!this.#isMoving) this.#beganMs = performance.now();
    this.#isMoving = true;
    clearTimeout(this.#restTimer);
    this.#restTimer = window.setTimeout(() => this.#rest(), REST_MS);
    this.#repaint();
  }

  #rest(): void {
    if (this.#pilot.isTravelling) return;
    this.#isMoving = false;
    if (this.#share < 1) this.#repaint(); // some tracks were left out on the way
    this.#audience.onRest(this.#pilot.camera, this.#pilot.window);
    if (this.#hasKeyboard()) this.#pointByKey();
    else if (this.#pointer !== null) this.#audience.onPoint(this.#find(this.#pointer));
  }

  #find(pixel: Point): number | null {
    return nearest(this.#scene.grid, this.#pilot.toPlane(pixel), REACH / this.#pilot.camera.scale);
  }

  #hasKeyboard(): boolean {
    return this.#boards.element.matches(":focus-visible");
  }

  #pointByKey(): void {
    this.#audience.onPoint(this.#hasKeyboard() ? this.#find(this.#pilot.middle()) : null);
    this.#request();
  }

  #on(name: string, listener: () => void): void {
    this.#boards.element.addEventListener(name, listener);
    this.#ends.push(() => this.#boards.element.removeEventListener(name, listener));
  }

  #resize(): void {
    const { element, tracks, ink } = this.#boards;
    const size = { width: Math.max(element.clientWidth, 1), height: Math.max(element.clientHeight, 1) };
    this.#pixelRatio = Math.min(devicePixelRatio || 1, MOST_PIXELS);
    for (const canvas of [tracks, ink]) {
      canvas.width = Math.round(size.width * this.#pixelRatio);
      canvas.height = Math.round(size.height * this.#pixelRatio);
    }
    this.#pilot.cover(this.#boards.covered());
    this.#pilot.resize(size);
    this.#moved();
  }

  #repaint(): void {
    this.#isStale = true;
    this.#request();
  }

  #request(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame((nowMs) => this.#draw(nowMs));
  }

  #draw(nowMs: number): void {
    this.#frame = 0;
    const passedMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    const seconds = Math.min(Math.max(passedMs, 0), LONGEST_FRAME_MS) / 1000;
    if (this.#isMoving && this.#isStale && nowMs - this.#beganMs > STEADY_MS) this.#share = adapted(this.#share, passedMs);
    if (this.#pilot.travel(nowMs, seconds * 1000)) this.#moved();
    const goesOn = this.#audience.onFrame(seconds);
    if (this.#isStale) this.#paintTracks();
    this.#paintInk();
    if (goesOn || this.#pilot.isTravelling) this.#request();
  }

  #paintTracks(): void {
    this.#isStale = false;
    this.#painter?.paint(this.#pilot.camera, this.#pilot.window, {
      shades: this.#scene.theme.shades,
      pixelRatio: this.#pixelRatio,
      magnification: this.#pilot.magnification,
      strength: this.#scene.wanderer === null ? 1 : UNDER_A_LISTENER,
      only: this.#scene.only,
      share: this.#isMoving ? this.#share : 1,
    });
  }

  #paintInk(): void {
    const context = this.#boards.ink.getContext("2d");
    if (context === null) return;
    const { camera, window: size } = this.#pilot;
    context.setTransform(this.#pixelRatio, 0, 0, this.#pixelRatio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    const sheet = { context, scene: this.#scene, camera, window: size };
    drawInk(sheet, this.#hasKeyboard() ? this.#pilot.middle() : null);
    this.#lettered = drawLettering(sheet, this.#pilot.magnification, this.#boards.floats(), this.#lettered);
  }
}

/** Whether somebody asked for less motion: then nothing flies or glides. */
function isStill(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
