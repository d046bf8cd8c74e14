import { onMounted, onUnmounted, type Ref, ref, useTemplateRef } from 'vue';

/** Width in pixels of the element with `ref="element"`, as it changes. */
export function useWidth(): { readonly element: Readonly<Ref<HTMLElement | null>>; readonly width: Ref<number> } {
  const element = useTemplateRef<HTMLElement>('element');
  const width = ref(600);
  const observer = new ResizeObserver(([entry]) => {
    if (entry) width.value = Math.max(200, Math.floor(entry.contentRect.width));
  });
  onMounted(() => {
    if (element.value) observer.observe(element.value);
  });
  onUnmounted(() => observer.disconnect());
  return { element, width };
}
