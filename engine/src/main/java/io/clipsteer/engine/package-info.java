// SPDX-License-Identifier: Apache-2.0
/**
 * The dense half: tensors, CLIP towers with taps and edits, SAEs. The only importer of libtorch.
 */
@NullMarked
package io.clipsteer.engine;

import org.jspecify.annotations.NullMarked;
