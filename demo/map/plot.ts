// Points on a canvas: a hundred thousand of them in one draw, so that moving and zooming stay smooth. Knows where points are and
// which is under the pointer; nothing of what they stand for.

const POINT_PX = 3.5;
const FOUND_PX = 9;
/** How much of the canvas the points take at first. */
const FILLED = 0.96;
/** How far one can zoom, as a multiple of what shows all. */
const ZOOM_MAX = 40;
const ZOOM_LEAST = 0.5;
/** How far from a point the pointer may be, CSS pixels. */
const REACH_PX = 14;

const VERTEX = `#version 300 es
in vec2 position;
in vec4 colour;
in float size;
uniform vec4 view; // scale, offset
out vec4 shade;
void main() {
  gl_Position = vec4(position * view.xy + view.zw, 0.0, 1.0);
  gl_PointSize = size;
  shade = colour;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 shade;
out vec4 pixel;
void main() {
  float edge = 1.0 - smoothstep(0.35, 0.5, distance(gl_PointCoord, vec2(0.5)));
  pixel = vec4(shade.rgb, 1.0) * shade.a * edge;
}`;

export class Plot {
  readonly canvas: HTMLCanvasElement;
  /** Told which point the pointer is at; null for none. */
  onPoint: (point: number | null) => void = () => {};
  /** Told which point was clicked; null for none. */
  onChoose: (point: number | null) => void = () => {};
  /** Told after each drawing. */
  onDrawn: () => void = () => {};
  private readonly gl: WebGL2RenderingContext | null;
  private readonly buffers: { position: WebGLBuffer; colour: WebGLBuffer; size: WebGLBuffer } | undefined;
  private readonly view: WebGLUniformLocation | null = null;
  private positions: Float32Array = new Float32Array();
  /** What is in the middle. */
  private middle = { x: 0, y: 0 };
  /** 1: all of the square from -1 to 1 is in sight. */
  private magnification = 1;
  private isAsked = false;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
    this.gl = canvas.getContext('webgl2', { alpha: true, premultipliedAlpha: true, antialias: false });
    if (this.gl) {
      const program = link(this.gl);
      this.view = this.gl.getUniformLocation(program, 'view');
      const buffer = (name: string, size: number, type: number, normalized: boolean) =>
        attribute(this.gl!, program, name, size, type, normalized);
      this.buffers = {
        position: buffer('position', 2, this.gl.FLOAT, false),
        colour: buffer('colour', 4, this.gl.UNSIGNED_BYTE, true),
        size: buffer('size', 1, this.gl.FLOAT, false),
      };
      this.gl.enable(this.gl.BLEND);
      this.gl.blendFunc(this.gl.ONE, this.gl.ONE_MINUS_SRC_ALPHA);
    }
    this.listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** Whether this browser can draw at all. */
  get canDraw(): boolean {
    return this.gl !== null;
  }

  setPositions(positions: Float32Array): void {
    this.positions = positions;
    this.put(this.buffers?.position, positions);
    this.draw();
  }

  /** `colours`: four bytes a point. `found`: these are larger. */
  setLook(colours: Uint8Array, found: ReadonlySet<number>): void {
    const ratio = devicePixelRatio;
    const sizes = new Float32Array(colours.length / 4).fill(POINT_PX * ratio);
    for (const point of found) sizes[point] = FOUND_PX * ratio;
    this.put(this.buffers?.colour, colours);
    this.put(this.buffers?.size, sizes);
    this.draw();
  }

  /** Shows all points. */
  fit(): void {
    this.middle = { x: 0, y: 0 };
    this.magnification = 1;
    this.draw();
  }

  zoom(factor: number, at = { x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 }): void {
    const before = this.placeOf(at.x, at.y);
    this.magnification = Math.min(ZOOM_MAX, Math.max(ZOOM_LEAST, this.magnification * factor));
    const after = this.placeOf(at.x, at.y);
    this.middle.x += before.x - after.x;
    this.middle.y += before.y - after.y;
    this.draw();
  }

  move(right: number, down: number): void {
    this.middle.x -= right / this.scale.x;
    this.middle.y += down / this.scale.y;
    this.draw();
  }

  /** Where a place is on the canvas, CSS pixels. */
  toCanvas(x: number, y: number): [x: number, y: number] {
    const { clientWidth, clientHeight } = this.canvas;
    return [
      clientWidth / 2 + (x - this.middle.x) * this.scale.x,
      clientHeight / 2 - (y - this.middle.y) * this.scale.y,
    ];
  }

  /** Where a point is on the canvas. */
  pointOnCanvas(point: number): [x: number, y: number] {
    return this.toCanvas(this.positions[2 * point]!, this.positions[2 * point + 1]!);
  }

  /** Pixels for a unit: the square fills the canvas, whatever its shape. */
  private get scale(): { x: number; y: number } {
    const share = (FILLED * this.magnification) / 2;
    return { x: share * this.canvas.clientWidth, y: share * this.canvas.clientHeight };
  }

  private placeOf(x: number, y: number): { x: number; y: number } {
    return {
      x: this.middle.x + (x - this.canvas.clientWidth / 2) / this.scale.x,
      y: this.middle.y - (y - this.canvas.clientHeight / 2) / this.scale.y,
    };
  }

  private pointAt(x: number, y: number): number | null {
    const place = this.placeOf(x, y);
    const { scale } = this;
    let least = REACH_PX ** 2;
    let found: number | null = null;
    for (let i = 0; i < this.positions.length; i += 2) {
      const right = (this.positions[i]! - place.x) * scale.x;
      const up = (this.positions[i + 1]! - place.y) * scale.y;
      const distance = right * right + up * up;
      if (distance < least) [least, found] = [distance, i / 2];
    }
    return found;
  }

  private listen(): void {
    const { canvas } = this;
    let held: { x: number; y: number; moved: boolean } | undefined;
    canvas.addEventListener('pointerdown', ({ offsetX: x, offsetY: y, pointerId }) => {
      held = { x, y, moved: false };
      canvas.setPointerCapture(pointerId);
    });
    canvas.addEventListener('pointermove', ({ offsetX: x, offsetY: y }) => {
      if (!held) return this.onPoint(this.pointAt(x, y));
      if (!held.moved && Math.hypot(x - held.x, y - held.y) < 4) return;
      this.move(x - held.x, y - held.y);
      held = { x, y, moved: true };
    });
    canvas.addEventListener('pointerup', ({ offsetX: x, offsetY: y }) => {
      if (held && !held.moved) this.onChoose(this.pointAt(x, y));
      held = undefined;
    });
    canvas.addEventListener('pointercancel', () => {
      held = undefined;
    });
    canvas.addEventListener('pointerleave', () => !held && this.onPoint(null));
    canvas.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY / 400), { x: event.offsetX, y: event.offsetY });
      },
      { passive: false },
    );
    canvas.addEventListener('keydown', (event) => {
      const { key } = event;
      if (key === '+' || key === '=') this.zoom(1.4);
      else if (key === '-') this.zoom(1 / 1.4);
      else if (key === '0') this.fit();
      else if (key === 'ArrowLeft') this.move(60, 0);
      else if (key === 'ArrowRight') this.move(-60, 0);
      else if (key === 'ArrowUp') this.move(0, 60);
      else if (key === 'ArrowDown') this.move(0, -60);
      else return;
      event.preventDefault();
    });
  }

  private put(buffer: WebGLBuffer | undefined, data: Float32Array | Uint8Array): void {
    if (!this.gl || !buffer) return;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, buffer);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, data as Float32Array<ArrayBuffer>, this.gl.DYNAMIC_DRAW);
  }

  /** At the next frame. */
  draw(): void {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      this.drawNow();
    });
  }

  private drawNow(): void {
    const { gl, canvas } = this;
    const { clientWidth, clientHeight } = canvas;
    if (!gl || clientWidth === 0) return;
    const [width, height] = [Math.round(clientWidth * devicePixelRatio), Math.round(clientHeight * devicePixelRatio)];
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
    }
    const [x, y] = [(2 * this.scale.x) / clientWidth, (2 * this.scale.y) / clientHeight];
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform4f(this.view, x, y, -this.middle.x * x, -this.middle.y * y);
    gl.drawArrays(gl.POINTS, 0, this.positions.length / 2);
    this.onDrawn();
  }
}

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  return program;
}

function attribute(
  gl: WebGL2RenderingContext,
  program: WebGLProgram,
  name: string,
  size: number,
  type: number,
  normalized: boolean,
): WebGLBuffer {
  const buffer = gl.createBuffer();
  const at = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, size, type, normalized, 0, 0);
  return buffer;
}
