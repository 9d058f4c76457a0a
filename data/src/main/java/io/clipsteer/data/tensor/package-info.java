// SPDX-License-Identifier: Apache-2.0
/** Tensors in files: safetensors and torch archives, read safely. */
@NullMarked
package io.clipsteer.data.tensor;

import org.jspecify.annotations.NullMarked;
