import { piramidAssets } from 'piramid/vite';
import { defineConfig } from 'vite';

// Serves the built-in embedder below /piramid/ in development, and puts it into the build.
export default defineConfig({ plugins: [piramidAssets()] });
