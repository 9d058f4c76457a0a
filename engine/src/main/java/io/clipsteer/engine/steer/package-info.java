// SPDX-License-Identifier: Apache-2.0
/** What many edits do to a model's answers. */
@NullMarked
package io.clipsteer.engine.steer;

import org.jspecify.annotations.NullMarked;
