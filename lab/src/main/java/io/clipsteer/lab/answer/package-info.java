// SPDX-License-Identifier: Apache-2.0
/** What a model answers about images: zero-shot words, and a CLIP with edits inside. */
@NullMarked
package io.clipsteer.lab.answer;

import org.jspecify.annotations.NullMarked;
