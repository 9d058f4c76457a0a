// SPDX-License-Identifier: Apache-2.0
/** CLIP's towers with taps and edits, tokenizer, text libraries. */
@NullMarked
package io.clipsteer.engine.model;

import org.jspecify.annotations.NullMarked;
