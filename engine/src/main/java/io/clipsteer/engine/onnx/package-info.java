// SPDX-License-Identifier: Apache-2.0
/** Towers as ONNX files. */
@NullMarked
package io.clipsteer.engine.onnx;

import org.jspecify.annotations.NullMarked;
